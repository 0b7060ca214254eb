// What every kernel begins with; read by nvcc, and by a host compiler where kernels are tested without
// a GPU (PERCEPT_ON_HOST, see tests/cuda_on_cpu).
//
// Values are stored as f32, f16 or bf16 and computed with as f32. Entry points are written with
// KERNEL(name, parameters...) only, their parameters are pointers and numbers of at most 8 bytes, and
// names are {operation}_{fwd|bwd}_{f32|f16|bf16}. Any one-dimensional grid is right for a kernel that
// says that it strides. Counts are below 2^31: the launch code sees to it.
#pragma once
#ifdef PERCEPT_ON_HOST
#include "cuda_on_host.hpp"
#else
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#define KERNEL(name, ...) extern "C" __global__ void __launch_bounds__(256) name(__VA_ARGS__)
__device__ __forceinline__ float float_of_bits(unsigned bits) { return __uint_as_float(bits); }
#endif

typedef unsigned int u32;
typedef unsigned long long u64;

// What differs between the steps of an ascent beside the transforms: read from memory, so that launches are the
// same at every step and can be recorded. The step, counted from 0, and the place among the measurements kept.
enum { STEP_NUMBER = 0, STEP_PLACE = 1 };

// Of each image: how many of its gradients were lost before this step, and whether this step's is.
#define LOST_NUMBERS 2
enum { LOST_BEFORE = 0, LOST_NOW = 1 };

#define WHOLE_WARP 0xffffffffu
#define FOR_DTYPES(M) M(float, f32) M(__half, f16) M(__nv_bfloat16, bf16)

__device__ __forceinline__ float load(float v) { return v; }
__device__ __forceinline__ float load(__half v) { return __half2float(v); }
__device__ __forceinline__ float load(__nv_bfloat16 v) { return __bfloat162float(v); }

// Rounds to nearest, ties to even.
template <typename T> struct Stored;
template <> struct Stored<float> {
  static __device__ __forceinline__ float of(float v) { return v; }
};
template <> struct Stored<__half> {
  static __device__ __forceinline__ __half of(float v) { return __float2half_rn(v); }
};
template <> struct Stored<__nv_bfloat16> {
  static __device__ __forceinline__ __nv_bfloat16 of(float v) { return __float2bfloat16_rn(v); }
};

// Four values that are loaded and stored at once: 16 or 8 bytes.
template <typename T> struct alignas(4 * sizeof(T)) Four {
  T at[4];
};

template <typename T> __device__ __forceinline__ bool is_aligned(const void *p) {
  return (reinterpret_cast<u64>(p) & (sizeof(Four<T>) - 1)) == 0;
}

// The sum over a whole warp, the same in every lane.
__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) v += __shfl_xor_sync(WHOLE_WARP, v, distance);
  return v;
}

__device__ __forceinline__ float warp_max(float v) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) v = fmaxf(v, __shfl_xor_sync(WHOLE_WARP, v, distance));
  return v;
}
