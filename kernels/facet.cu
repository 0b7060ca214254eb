// Facets (`src/objective/facet.rs` has the formula): what they add to the cotangent at a tap on its way back, from the
// cotangent of the other terms there, and their values.
//
// `facet_rows`: a warp a row (a position) of an image. Styles are f32, rows x channels an image, weighted; rows begin
// `skipped` rows behind those of the activations. The sum over a row goes to a table. 8 + 4 E bytes a value.
// `facet_values`: the sum of an image's rows, a warp an image, without the scale of its cotangents; 0 where these are
// lost, which the gradient's norm tells.
#include "prelude.cuh"

template <typename T>
__device__ __forceinline__ void facet_rows(const T *a, const T *pure, const float *rectified, const float *linear,
                                           T *cotangent, float *table, u32 images, u32 rows, u32 skipped,
                                           u32 channels) {
  u32 lane = threadIdx.x % 32, warps = gridDim.x * (blockDim.x / 32);
  for (u32 i = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; i < images * rows; i += warps) {
    size_t there = ((size_t)(i / rows) * (rows + skipped) + skipped + i % rows) * channels;
    size_t style = (size_t)i * channels;
    float sum = 0.0f;
    for (u32 c = lane; c < channels; c += 32) {
      // What has no style takes nothing of a cotangent that may be infinite.
      float g = load(pure[there + c]), r = rectified[style + c], l = linear[style + c];
      float slope = (r == 0.0f ? 0.0f : fmaxf(g, 0.0f) * r) + (l == 0.0f ? 0.0f : g * l);
      sum = fmaf(load(a[there + c]), slope, sum);
      cotangent[there + c] = Stored<T>::of(load(cotangent[there + c]) + slope);
    }
    sum = warp_sum(sum);
    if (lane == 0) table[i] = sum;
  }
}

KERNEL(facet_values_fwd_f32, const float *table, const float *scales, const u32 *step, float *values, u32 images,
       u32 rows) {
  u32 lane = threadIdx.x % 32, image = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (image >= images) return;
  float sum = 0.0f;
  for (u32 row = lane; row < rows; row += 32) sum += table[(size_t)image * rows + row];
  sum = warp_sum(sum);
  bool is_finite = sum - sum == 0.0f;
  if (lane == 0) values[(size_t)step[STEP_PLACE] * images + image] = is_finite ? sum / scales[image] : 0.0f;
}

#define FACET(T, S)                                                                                                    \
  KERNEL(facet_rows_bwd_##S, const T *a, const T *pure, const float *rectified, const float *linear, T *cotangent,    \
         float *table, u32 images, u32 rows, u32 skipped, u32 channels) {                                             \
    facet_rows<T>(a, pure, rectified, linear, cotangent, table, images, rows, skipped, channels);                      \
  }
FOR_DTYPES(FACET)
