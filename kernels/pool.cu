// Average pooling of channels-last fields over k x k windows that do not overlap; a remainder at the
// right and bottom edge is left out. A thread a value, neighbouring threads neighbouring channels.
// E (1 + 1 / k^2) bytes an input value, both ways, E the size of a value. Back, a sum and the gate of a ReLU
// ride along, for E and 1/8 bytes more. A ReLU right before the windows takes them along in epilogue.cu and
// winograd.cu.
#include "prelude.cuh"

template <typename T>
__device__ __forceinline__ void pool_fwd(const T *x, T *y, u32 images, u32 h, u32 w, u32 channels, u32 k) {
  u32 oh = h / k, ow = w / k, count = images * oh * ow * channels;
  float share = 1.0f / (float)(k * k);
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    u32 channel = i % channels, place = i / channels, image = place / (oh * ow);
    u32 oy = place / ow % oh, ox = place % ow;
    const T *window = x + ((size_t)(image * h + oy * k) * w + ox * k) * channels + channel;
    float sum = 0.0f;
    for (u32 dy = 0; dy < k; dy++)
      for (u32 dx = 0; dx < k; dx++) sum += load(window[((size_t)dy * w + dx) * channels]);
    y[i] = Stored<T>::of(sum * share);
  }
}

// `add` and `gate` may be null: what the cotangent has got from elsewhere, and the mask of the ReLU before.
template <typename T>
__device__ __forceinline__ void pool_bwd(const T *dy, const T *add, const u32 *gate, T *dx, u32 images, u32 h, u32 w,
                                         u32 channels, u32 k) {
  u32 oh = h / k, ow = w / k, words = (channels + 31) / 32, count = images * h * w * channels;
  float share = 1.0f / (float)(k * k);
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    u32 channel = i % channels, place = i / channels, image = place / (h * w);
    u32 oy = place / w % h / k, ox = place % w / k;
    bool is_there = oy < oh && ox < ow;
    float v = is_there ? load(dy[((size_t)(image * oh + oy) * ow + ox) * channels + channel]) * share : 0.0f;
    if (add) v += load(add[i]);
    if (gate && !(gate[place * words + channel / 32] >> channel % 32 & 1)) v = 0.0f;
    dx[i] = Stored<T>::of(v);
  }
}

#define POOL(T, S)                                                                                                     \
  KERNEL(pool_fwd_##S, const T *x, T *y, u32 images, u32 h, u32 w, u32 channels, u32 k) {                             \
    pool_fwd<T>(x, y, images, h, w, channels, k);                                                                     \
  }                                                                                                                    \
  KERNEL(pool_bwd_##S, const T *dy, const T *add, const u32 *gate, T *dx, u32 images, u32 h, u32 w, u32 channels,     \
         u32 k) {                                                                                                      \
    pool_bwd<T>(dy, add, gate, dx, images, h, w, channels, k);                                                        \
  }
FOR_DTYPES(POOL)
