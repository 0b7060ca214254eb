// The two activations of CLIP's transformers, and their pullbacks from the pre-activation:
// QuickGELU x sigmoid(1.702 x), and GELU x Phi(x) with the error function.
//
// Element by element, four values a thread: 2 E bytes a value forward, 3 E back, E the size of a value.
#include "prelude.cuh"

#define QUICK_SLOPE 1.702f

struct Quick {
  static __device__ __forceinline__ float value(float x) { return x / (1.0f + expf(-QUICK_SLOPE * x)); }
  static __device__ __forceinline__ float slope(float x) {
    float s = 1.0f / (1.0f + expf(-QUICK_SLOPE * x));
    return fmaf(QUICK_SLOPE * x * s, 1.0f - s, s);
  }
};

struct Exact {
  static __device__ __forceinline__ float normal(float x) { return 0.5f * (1.0f + erff(x * 0.70710678f)); }
  static __device__ __forceinline__ float value(float x) { return x * normal(x); }
  static __device__ __forceinline__ float slope(float x) {
    return fmaf(x, expf(-0.5f * x * x) * 0.39894228f, normal(x));
  }
};

template <typename F, typename T> __device__ __forceinline__ void activation_fwd(const T *x, T *y, u32 count) {
  u32 stride = gridDim.x * blockDim.x, fours = is_aligned<T>(x) && is_aligned<T>(y) ? count / 4 : 0;
  u32 first = blockIdx.x * blockDim.x + threadIdx.x;
  for (u32 i = first; i < fours; i += stride) {
    Four<T> v = reinterpret_cast<const Four<T> *>(x)[i];
#pragma unroll
    for (int k = 0; k < 4; k++) v.at[k] = Stored<T>::of(F::value(load(v.at[k])));
    reinterpret_cast<Four<T> *>(y)[i] = v;
  }
  for (u32 i = 4 * fours + first; i < count; i += stride) y[i] = Stored<T>::of(F::value(load(x[i])));
}

// Where nothing comes back nothing goes on, whatever x is: a unit that overflows is no matter to the others.
template <typename F> __device__ __forceinline__ float back(float x, float dy) {
  return dy == 0.0f ? dy : dy * F::slope(x);
}

template <typename F, typename T>
__device__ __forceinline__ void activation_bwd(const T *x, const T *dy, T *dx, u32 count) {
  u32 stride = gridDim.x * blockDim.x, first = blockIdx.x * blockDim.x + threadIdx.x;
  u32 fours = is_aligned<T>(x) && is_aligned<T>(dy) && is_aligned<T>(dx) ? count / 4 : 0;
  for (u32 i = first; i < fours; i += stride) {
    Four<T> v = reinterpret_cast<const Four<T> *>(x)[i], d = reinterpret_cast<const Four<T> *>(dy)[i];
#pragma unroll
    for (int k = 0; k < 4; k++) v.at[k] = Stored<T>::of(back<F>(load(v.at[k]), load(d.at[k])));
    reinterpret_cast<Four<T> *>(dx)[i] = v;
  }
  for (u32 i = 4 * fours + first; i < count; i += stride) dx[i] = Stored<T>::of(back<F>(load(x[i]), load(dy[i])));
}

#define GELU(T, S)                                                                                                     \
  KERNEL(quick_gelu_fwd_##S, const T *x, T *y, u32 count) { activation_fwd<Quick, T>(x, y, count); }                  \
  KERNEL(quick_gelu_bwd_##S, const T *x, const T *dy, T *dx, u32 count) { activation_bwd<Quick, T>(x, dy, dx, count); } \
  KERNEL(gelu_fwd_##S, const T *x, T *y, u32 count) { activation_fwd<Exact, T>(x, y, count); }                        \
  KERNEL(gelu_bwd_##S, const T *x, const T *dy, T *dx, u32 count) { activation_bwd<Exact, T>(x, dy, dx, count); }
FOR_DTYPES(GELU)
