// One step of Adam up the gradient, for the free numbers of a batch of pictures: both moments and the
// parameters in one pass, 28 bytes a number (four reads, three writes). f32 only: these are master
// copies. The step's length, divided by the first moment's correction, and the root of the second's come from
// the host, in `step`.
#include "prelude.cuh"

#define BETA_1 0.9f
#define BETA_2 0.999f
#define ADAM_EPSILON 1e-8f

__device__ __forceinline__ void update(float *x, float *m, float *v, float g, float rate, float correction) {
  *m += (1.0f - BETA_1) * (g - *m);
  *v = BETA_2 * *v + (1.0f - BETA_2) * g * g;
  *x += rate * *m / (sqrtf(*v) / correction + ADAM_EPSILON);
}

KERNEL(adam_fwd_f32, float *parameters, float *first, float *second, const float *gradient, const u32 *step,
       u32 count) {
  float rate = float_of_bits(step[STEP_RATE]), correction = float_of_bits(step[STEP_CORRECTION]);
  typedef Four<float> F;
  u32 stride = gridDim.x * blockDim.x, start = blockIdx.x * blockDim.x + threadIdx.x;
  bool aligned = is_aligned<float>(parameters) && is_aligned<float>(first) && is_aligned<float>(second) &&
                 is_aligned<float>(gradient);
  u32 fours = aligned ? count / 4 : 0;
  for (u32 i = start; i < fours; i += stride) {
    F x = reinterpret_cast<F *>(parameters)[i], m = reinterpret_cast<F *>(first)[i];
    F v = reinterpret_cast<F *>(second)[i], g = reinterpret_cast<const F *>(gradient)[i];
#pragma unroll
    for (int k = 0; k < 4; k++) update(&x.at[k], &m.at[k], &v.at[k], g.at[k], rate, correction);
    reinterpret_cast<F *>(parameters)[i] = x;
    reinterpret_cast<F *>(first)[i] = m;
    reinterpret_cast<F *>(second)[i] = v;
  }
  for (u32 i = 4 * fours + start; i < count; i += stride)
    update(parameters + i, first + i, second + i, gradient[i], rate, correction);
}
