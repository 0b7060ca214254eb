// The patches that a k x k convolution multiplies, one row of k k channels values an output position,
// for a product with the filters; and back, the sum of every patch's cotangent that covers a pixel.
//
// For the stem's 3 -> c convolution of stride 2, a ViT's patches, and fields too small for Winograd.
// A thread a value of the result, neighbouring threads neighbouring channels. Back it gathers, in one
// order, without atomics. Forward reads each value up to k^2 / stride^2 times, from cache, and writes
// E k k c oh ow bytes an image; back the other way round.
#include "prelude.cuh"

template <typename T>
__device__ __forceinline__ void patches_fwd(const T *x, T *rows, u32 images, u32 h, u32 w, u32 channels, u32 k,
                                            u32 stride, u32 padding, u32 oh, u32 ow) {
  u32 length = k * k * channels, count = images * oh * ow * length;
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    u32 within = i % length, place = i / length, image = place / (oh * ow);
    u32 channel = within % channels, tap = within / channels;
    int y = (int)(place / ow % oh * stride + tap / k) - (int)padding;
    int x0 = (int)(place % ow * stride + tap % k) - (int)padding;
    bool inside = y >= 0 && y < (int)h && x0 >= 0 && x0 < (int)w;
    rows[i] = inside ? x[((size_t)(image * h + y) * w + x0) * channels + channel] : Stored<T>::of(0.0f);
  }
}

template <typename T>
__device__ __forceinline__ void patches_bwd(const T *rows, T *dx, u32 images, u32 h, u32 w, u32 channels, u32 k,
                                            u32 stride, u32 padding, u32 oh, u32 ow) {
  u32 count = images * h * w * channels;
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    u32 channel = i % channels, place = i / channels, image = place / (h * w);
    u32 y = place / w % h + padding, x = place % w + padding;
    float sum = 0.0f;
    for (u32 ky = y % stride; ky < k && ky <= y; ky += stride) {
      for (u32 kx = x % stride; kx < k && kx <= x; kx += stride) {
        u32 oy = (y - ky) / stride, ox = (x - kx) / stride;
        if (oy < oh && ox < ow)
          sum += load(rows[((size_t)(image * oh + oy) * ow + ox) * k * k * channels + (ky * k + kx) * channels + channel]);
      }
    }
    dx[i] = Stored<T>::of(sum);
  }
}

#define PATCHES(T, S)                                                                                                  \
  KERNEL(patches_fwd_##S, const T *x, T *rows, u32 images, u32 h, u32 w, u32 channels, u32 k, u32 stride,             \
         u32 padding, u32 oh, u32 ow) {                                                                                \
    patches_fwd<T>(x, rows, images, h, w, channels, k, stride, padding, oh, ow);                                      \
  }                                                                                                                    \
  KERNEL(patches_bwd_##S, const T *rows, T *dx, u32 images, u32 h, u32 w, u32 channels, u32 k, u32 stride,            \
         u32 padding, u32 oh, u32 ow) {                                                                                \
    patches_bwd<T>(rows, dx, images, h, w, channels, k, stride, padding, oh, ow);                                     \
  }
FOR_DTYPES(PATCHES)
