// Rows of attention, p = softmax(scale s), and back, ds = scale p (dp - sum(dp p)).
//
// A warp a row of keys (50 to 577 in CLIP's encoders): three passes over at most 2.3 KB, of which the
// second and third read L1. May work in place. 2 E bytes a value forward, 3 E back, E its size.
#include "prelude.cuh"

template <typename T>
__device__ __forceinline__ void softmax_fwd(const T *s, T *p, float scale, u32 rows, u32 keys) {
  u32 lane = threadIdx.x % 32, row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= rows) return;
  s += (size_t)row * keys;
  p += (size_t)row * keys;
  float largest = -INFINITY;
  for (u32 k = lane; k < keys; k += 32) largest = fmaxf(largest, scale * load(s[k]));
  largest = warp_max(largest);
  float sum = 0.0f;
  for (u32 k = lane; k < keys; k += 32) sum += expf(fmaf(scale, load(s[k]), -largest));
  float share = 1.0f / warp_sum(sum);
  for (u32 k = lane; k < keys; k += 32) p[k] = Stored<T>::of(expf(fmaf(scale, load(s[k]), -largest)) * share);
}

template <typename T>
__device__ __forceinline__ void softmax_bwd(const T *p, const T *dp, T *ds, float scale, u32 rows, u32 keys) {
  u32 lane = threadIdx.x % 32, row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= rows) return;
  p += (size_t)row * keys;
  dp += (size_t)row * keys;
  ds += (size_t)row * keys;
  float along = 0.0f;
  for (u32 k = lane; k < keys; k += 32) along = fmaf(load(dp[k]), load(p[k]), along);
  along = warp_sum(along);
  for (u32 k = lane; k < keys; k += 32) ds[k] = Stored<T>::of(scale * load(p[k]) * (load(dp[k]) - along));
}

#define SOFTMAX(T, S)                                                                                                  \
  KERNEL(softmax_fwd_##S, const T *s, T *p, float scale, u32 rows, u32 keys) {                                        \
    softmax_fwd<T>(s, p, scale, rows, keys);                                                                          \
  }                                                                                                                    \
  KERNEL(softmax_bwd_##S, const T *p, const T *dp, T *ds, float scale, u32 rows, u32 keys) {                          \
    softmax_bwd<T>(p, dp, ds, scale, rows, keys);                                                                     \
  }
FOR_DTYPES(SOFTMAX)
