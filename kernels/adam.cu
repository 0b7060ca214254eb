// One step of Adam up the gradient, for the free numbers of a batch of pictures: both moments and the
// parameters in one pass, 28 bytes a number (four reads, three writes). f32 only: these are master
// copies.
//
// An image whose gradient was lost stays as it is, moments and all, and the step does not count for it: so its
// corrections are those of the steps that it took, which the device alone knows.
#include "prelude.cuh"

// Of each step that an image takes `corrections` has the length, divided by the first moment's correction, and the
// root of the second's; after the last of these pairs they stay as they are. `constants` are the same at every step.
enum { ADAM_FIRST_SHARE = 0, ADAM_SECOND_DECAY = 1, ADAM_SECOND_SHARE = 2, ADAM_EPSILON = 3 };
struct Corrected {
  const float *constants, *corrections;
  const u32 *lost;
  u32 step, pairs, length;
};

__device__ __forceinline__ void update(const Corrected &by, u32 i, float *x, float *m, float *v, float g) {
  const u32 *lost = by.lost + LOST_NUMBERS * (i / by.length);
  if (lost[LOST_NOW]) return;
  u32 taken = by.step - lost[LOST_BEFORE], last = by.pairs - 1;
  const float *pair = by.corrections + 2 * (taken < last ? taken : last);
  const float *by_all = by.constants;
  *m += by_all[ADAM_FIRST_SHARE] * (g - *m);
  *v = by_all[ADAM_SECOND_DECAY] * *v + by_all[ADAM_SECOND_SHARE] * g * g;
  *x += pair[0] * *m / (sqrtf(*v) / pair[1] + by_all[ADAM_EPSILON]);
}

// `length` numbers an image, `count` in all.
KERNEL(adam_fwd_f32, float *parameters, float *first, float *second, const float *gradient, const float *constants,
       const float *corrections, const u32 *lost, const u32 *step, u32 pairs, u32 length, u32 count) {
  Corrected by = {constants, corrections, lost, step[STEP_NUMBER], pairs, length};
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
