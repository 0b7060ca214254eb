// Layer normalisation over the channels of each row, y = g (x - mean) / sqrt(var + eps) + b, and back.
//
// A warp a row, a lane every 32nd channel. Mean, variance and output are three passes over a row of at
// most a few KiB, so that the second and the third read L1, and the variance is that of the centred row.
// Sums go over lanes by shuffles, in one order. Forward keeps mean and inverse deviation, 8 bytes a
// row, instead of the normalised row. Moves 2 E c bytes a row forward, 3 E c back, E the size of a value.
#include "prelude.cuh"

template <typename T>
__device__ __forceinline__ void layer_norm_fwd(const T *x, const float *gain, const float *bias, T *y, float *moments,
                                               int rows, int width, float epsilon) {
  int lane = threadIdx.x % 32, row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= rows) return;
  x += (size_t)row * width;
  y += (size_t)row * width;
  float sum = 0.0f;
  for (int c = lane; c < width; c += 32) sum += load(x[c]);
  float mean = warp_sum(sum) / (float)width;
  sum = 0.0f;
  for (int c = lane; c < width; c += 32) {
    float d = load(x[c]) - mean;
    sum = fmaf(d, d, sum);
  }
  float inverse = 1.0f / sqrtf(warp_sum(sum) / (float)width + epsilon);
  for (int c = lane; c < width; c += 32) y[c] = Stored<T>::of(fmaf((load(x[c]) - mean) * inverse, gain[c], bias[c]));
  if (lane == 0) {
    moments[2 * row] = mean;
    moments[2 * row + 1] = inverse;
  }
}

// With e = g dy and z the normalised row: dx = (e - mean(e) - z mean(e z)) / sqrt(var + eps).
template <typename T>
__device__ __forceinline__ void layer_norm_bwd(const T *x, const float *moments, const float *gain, const T *dy, T *dx,
                                               int rows, int width) {
  int lane = threadIdx.x % 32, row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= rows) return;
  x += (size_t)row * width;
  dy += (size_t)row * width;
  dx += (size_t)row * width;
  float mean = moments[2 * row], inverse = moments[2 * row + 1];
  float plain = 0.0f, along = 0.0f;
  for (int c = lane; c < width; c += 32) {
    float e = gain[c] * load(dy[c]), z = (load(x[c]) - mean) * inverse;
    plain += e;
    along = fmaf(e, z, along);
  }
  plain = warp_sum(plain) / (float)width;
  along = warp_sum(along) / (float)width;
  for (int c = lane; c < width; c += 32) {
    float e = gain[c] * load(dy[c]), z = (load(x[c]) - mean) * inverse;
    dx[c] = Stored<T>::of((e - plain - z * along) * inverse);
  }
}

#define LAYER_NORM(T, S)                                                                                               \
  KERNEL(layer_norm_fwd_##S, const T *x, const float *gain, const float *bias, T *y, float *moments, int rows,        \
         int width, float epsilon) {                                                                                   \
    layer_norm_fwd<T>(x, gain, bias, y, moments, rows, width, epsilon);                                               \
  }                                                                                                                    \
  KERNEL(layer_norm_bwd_##S, const T *x, const float *moments, const float *gain, const T *dy, T *dx, int rows,       \
         int width) {                                                                                                  \
    layer_norm_bwd<T>(x, moments, gain, dy, dx, rows, width);                                                         \
  }
FOR_DTYPES(LAYER_NORM)
