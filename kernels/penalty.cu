// Penalties of RGB images in place of a read back to the host: their gradients are added to the
// cotangent of the image, and their values reduced, a block an image, in one order.
//
// L2 is the mean of (x - 1/2)^2, total variation the mean absolute difference between horizontal and
// vertical neighbours. A thread goes through every 256th pixel; 36 h w bytes an image, neighbours from cache.
#include "prelude.cuh"

__device__ __forceinline__ float sign(float v) { return (float)((v > 0.0f) - (v < 0.0f)); }

// `weights`: of L2 and of total variation, two an image; `values`: the same, of the penalties, at the step's place.
KERNEL(penalty_bwd_f32, const float *rgb, const float *weights, const u32 *step, float *gradient, float *values, u32 h,
       u32 w) {
  __shared__ float parts[2][256];
  u32 count = 3 * h * w, image = blockIdx.x, pairs = 3 * (h * (w - 1) + (h - 1) * w);
  const float *x = rgb + (size_t)image * count;
  float *g = gradient + (size_t)image * count;
  float of_l2 = 2.0f * weights[2 * image] / (float)count;
  float of_tv = pairs > 0 ? weights[2 * image + 1] / (float)pairs : 0.0f;
  float l2 = 0.0f, tv = 0.0f;
  for (u32 i = threadIdx.x; i < count; i += blockDim.x) {
    u32 column = i % w, row = i / w % h;
    float centred = x[i] - 0.5f, slope = 0.0f;
    l2 = fmaf(centred, centred, l2);
    if (column + 1 < w) {
      slope += sign(x[i] - x[i + 1]);
      tv += fabsf(x[i] - x[i + 1]);
    }
    if (row + 1 < h) {
      slope += sign(x[i] - x[i + w]);
      tv += fabsf(x[i] - x[i + w]);
    }
    if (column > 0) slope += sign(x[i] - x[i - 1]);
    if (row > 0) slope += sign(x[i] - x[i - w]);
    g[i] += fmaf(of_l2, centred, of_tv * slope);
  }
  parts[0][threadIdx.x] = l2;
  parts[1][threadIdx.x] = tv;
  __syncthreads();
  for (u32 half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      parts[0][threadIdx.x] += parts[0][threadIdx.x + half];
      parts[1][threadIdx.x] += parts[1][threadIdx.x + half];
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    float *own = values + 2 * (step[STEP_PLACE] * gridDim.x + image);
    own[0] = parts[0][0] / (float)count;
    own[1] = pairs > 0 ? parts[1][0] / (float)pairs : 0.0f;
  }
}
