// What follows a product, on rows of channels: y = x + bias + residual, then ReLU with one bit a value;
// and the pullback's end, dx = dy + what has come from elsewhere, zero where a bit is not set.
//
// A warp a row's 32 channels, a lane a channel: one ballot is one word of the mask. A mask has
// ceil(channels / 32) words a row; bit c % 32 of word c / 32 is set where channel c is above zero.
// The launch may work in place. Bytes a value, E its size: 2 E forward, E more with a residual, 1/8 with
// a mask; the same back.
//
// `epilogue_pool`: y = the means of ReLU(x + bias) over windows of 2x2, where nothing else reads what the ReLU
// makes; a warp a window's 32 channels. E (1 + 1/4) + 1/8 bytes a value, instead of E (3 + 1/4) + 1/8.
#include "prelude.cuh"

// Pointers to bias, residual and mask may be null; with a mask there is a ReLU. NaN is not active, yet
// stays: it has to reach the check of the result.
template <typename T>
__device__ __forceinline__ void epilogue_fwd(const T *x, const float *bias, const T *add, T *y, u32 *mask, u32 rows,
                                             u32 channels) {
  u32 words = (channels + 31) / 32, warps = gridDim.x * (blockDim.x / 32), lane = threadIdx.x % 32;
  for (u32 i = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; i < rows * words; i += warps) {
    u32 row = i / words, channel = i % words * 32 + lane, at = row * channels + channel;
    bool is_there = channel < channels;
    float v = 0.0f;
    if (is_there) {
      v = load(x[at]);
      if (bias) v += bias[channel];
      if (add) v += load(add[at]);
    }
    if (mask) {
      u32 bits = __ballot_sync(WHOLE_WARP, v > 0.0f);
      if (lane == 0) mask[i] = bits;
      v = v <= 0.0f ? 0.0f : v;
    }
    if (is_there) y[at] = Stored<T>::of(v);
  }
}

// Masks are written for all positions, means for whole windows.
template <typename T>
__device__ __forceinline__ void epilogue_pool(const T *x, const float *bias, T *y, u32 *mask, u32 images, u32 h, u32 w,
                                              u32 channels) {
  u32 words = (channels + 31) / 32, warps = gridDim.x * (blockDim.x / 32), lane = threadIdx.x % 32;
  u32 down = (h + 1) / 2, across = (w + 1) / 2, oh = h / 2, ow = w / 2;
  for (u32 i = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; i < images * down * across * words; i += warps) {
    u32 word = i % words, channel = word * 32 + lane, window = i / words;
    u32 image = window / (down * across), oy = window / across % down, ox = window % across;
    bool is_there = channel < channels;
    float shift = bias && is_there ? bias[channel] : 0.0f, sum = 0.0f;
#pragma unroll
    for (u32 corner = 0; corner < 4; corner++) {
      u32 py = 2 * oy + corner / 2, px = 2 * ox + corner % 2;
      // The same for all lanes, so that a whole warp votes.
      if (py >= h || px >= w) continue;
      u32 row = (image * h + py) * w + px;
      float v = is_there ? load(x[(size_t)row * channels + channel]) + shift : 0.0f;
      u32 bits = __ballot_sync(WHOLE_WARP, v > 0.0f);
      if (lane == 0) mask[row * words + word] = bits;
      sum += v <= 0.0f ? 0.0f : v;
    }
    if (is_there && oy < oh && ox < ow)
      y[((size_t)(image * oh + oy) * ow + ox) * channels + channel] = Stored<T>::of(sum * 0.25f);
  }
}

template <typename T>
__device__ __forceinline__ void epilogue_bwd(const T *dy, const T *add, const u32 *mask, T *dx, u32 rows,
                                             u32 channels) {
  u32 words = (channels + 31) / 32, warps = gridDim.x * (blockDim.x / 32), lane = threadIdx.x % 32;
  for (u32 i = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; i < rows * words; i += warps) {
    u32 row = i / words, channel = i % words * 32 + lane, at = row * channels + channel;
    if (channel < channels) {
      float v = load(dy[at]);
      if (add) v += load(add[at]);
      if (mask && !(mask[i] >> lane & 1)) v = 0.0f;
      dx[at] = Stored<T>::of(v);
    }
  }
}

// Redirected ReLU. `alive` has a word an image, set where a gate would let any cotangent pass.
template <typename T>
__device__ __forceinline__ void relu_alive(const T *dy, const u32 *mask, u32 *alive, u32 rows, u32 channels) {
  u32 words = (channels + 31) / 32, image = blockIdx.x;
  int found = 0;
  for (u32 i = threadIdx.x; i < rows * channels && !found; i += blockDim.x) {
    u32 row = image * rows + i / channels, channel = i % channels;
    bool active = mask[row * words + channel / 32] >> (channel % 32) & 1;
    found = active && load(dy[row * channels + channel]) != 0.0f;
  }
  found = __syncthreads_or(found);
  if (threadIdx.x == 0) alive[image] = found ? 1 : 0;
}

template <typename T>
__device__ __forceinline__ void relu_redirect(const T *dy, const u32 *mask, const u32 *alive, T *dx, u32 images,
                                              u32 rows, u32 channels) {
  u32 words = (channels + 31) / 32, count = images * rows * channels;
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    u32 row = i / channels, channel = i % channels;
    bool active = mask[row * words + channel / 32] >> (channel % 32) & 1;
    float v = load(dy[i]);
    dx[i] = Stored<T>::of(active || (!alive[row / rows] && v > 0.0f) ? v : 0.0f);
  }
}

#define EPILOGUE(T, S)                                                                                                 \
  KERNEL(epilogue_fwd_##S, const T *x, const float *bias, const T *add, T *y, u32 *mask, u32 rows, u32 channels) {    \
    epilogue_fwd<T>(x, bias, add, y, mask, rows, channels);                                                           \
  }                                                                                                                    \
  KERNEL(epilogue_pool_fwd_##S, const T *x, const float *bias, T *y, u32 *mask, u32 images, u32 h, u32 w,             \
         u32 channels) {                                                                                               \
    epilogue_pool<T>(x, bias, y, mask, images, h, w, channels);                                                       \
  }                                                                                                                    \
  KERNEL(epilogue_bwd_##S, const T *dy, const T *add, const u32 *mask, T *dx, u32 rows, u32 channels) {               \
    epilogue_bwd<T>(dy, add, mask, dx, rows, channels);                                                               \
  }                                                                                                                    \
  KERNEL(relu_alive_bwd_##S, const T *dy, const u32 *mask, u32 *alive, u32 rows, u32 channels) {                      \
    relu_alive<T>(dy, mask, alive, rows, channels);                                                                   \
  }                                                                                                                    \
  KERNEL(relu_redirect_bwd_##S, const T *dy, const u32 *mask, const u32 *alive, T *dx, u32 images, u32 rows,          \
         u32 channels) {                                                                                               \
    relu_redirect<T>(dy, mask, alive, dx, images, rows, channels);                                                    \
  }
FOR_DTYPES(EPILOGUE)
