// One step of Adam up the gradient, for the free numbers of a batch of pictures: both moments and the
// parameters in one pass, 28 bytes a number (four reads, three writes). f32 only: these are master
// copies.
//
// An image whose gradient was lost stays as it is, moments and all, and the step does not count for it: so its
// corrections are those of the steps that it took, which the device alone knows.
#include "prelude.cuh"

#define BETA_1 0.9f
#define BETA_2 0.999f
#define ADAM_EPSILON 1e-8f

// Of each step that an image takes `corrections` has the length, divided by the first moment's correction, and the
// root of the second's; after the last of these pairs they stay as they are.
struct Corrected {
  const float *corrections;
  const u32 *lost;
  u32 step, pairs, length;
};

__device__ __forceinline__ void update(const Corrected &by, u32 i, float *x, float *m, float *v, float g) {
  const u32 *lost = by.lost + LOST_NUMBERS * (i / by.length);
  if (lost[LOST_NOW]) return;
  u32 taken = by.step - lost[LOST_BEFORE], last = by.pairs - 1;
  const float *pair = by.corrections + 2 * (taken < last ? taken : last);
  *m += (1.0f - BETA_1) * (g - *m);
  *v = BETA_2 * *v + (1.0f - BETA_2) * g * g;
  *x += pair[0] * *m / (sqrtf(*v) / pair[1] + ADAM_EPSILON);
}

// `length` numbers an image, `count` in all.
KERNEL(adam_fwd_f32, float *parameters, float *first, float *second, const float *gradient, const float *corrections,
       const u32 *lost, const u32 *step, u32 pairs, u32 length, u32 count) {
  Corrected by = {corrections, lost, step[STEP_NUMBER], pairs, length};
  typedef Four<float> F;
  u32 stride = gridDim.x * blockDim.x, start = blockIdx.x * blockDim.x + threadIdx.x;
  bool aligned = is_aligned<float>(parameters) && is_aligned<float>(first) && is_aligned<float>(second) &&
                 is_aligned<float>(gradient);
  u32 fours = aligned ? count / 4 : 0;
  for (u32 i = start; i < fours; i += stride) {
    F x = reinterpret_cast<F *>(parameters)[i], m = reinterpret_cast<F *>(first)[i];
    F v = reinterpret_cast<F *>(second)[i], g = reinterpret_cast<const F *>(gradient)[i];
#pragma unroll
    for (u32 k = 0; k < 4; k++) update(by, 4 * i + k, &x.at[k], &m.at[k], &v.at[k], g.at[k]);
    reinterpret_cast<F *>(parameters)[i] = x;
    reinterpret_cast<F *>(first)[i] = m;
    reinterpret_cast<F *>(second)[i] = v;
  }
  for (u32 i = 4 * fours + start; i < count; i += stride)
    update(by, i, parameters + i, first + i, second + i, gradient[i]);
}
