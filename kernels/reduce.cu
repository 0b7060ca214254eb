// Objectives: what each image's terms read from a tap's field, and their cotangent, for a batch in which
// every image has terms of its own; and norms.
//
// `reduce_terms`: a warp a row (a position) of an image. It clears the row's cotangent and goes through
// the image's terms in order. A unit's term reads and writes one value; a direction's and a text's read the row and the
// vector twice, a mean square the row, and add to the row's cotangent. Values go to a table of terms x rows, in f32, and `reduce_values` takes
// each term's mean over its rows, a warp a term. E c bytes a row to write, 3 E c with a direction.
//
// `reduce_norm`: the sum of squares of an image, a block an image, in f64, for a trace of gradients.
// `reduce_guard`: the same of a gradient that came through f16, which may have been too small for it: where it
// is not finite, it is lost, and the scale of the image's cotangents is halved for the steps that follow.
#include "prelude.cuh"

// Of a term: kind, channel or vector, first row, rows, power.
#define TERM_NUMBERS 5
enum { TERM_UNIT = 0, TERM_DIRECTION = 1, TERM_DEEPDREAM = 2, TERM_TEXT = 3 };
// The guards of lucid's direction: the floor of the cosine, and the constant beside the norms.
#define COSINE_FLOOR 0.1f
#define NORM_EPSILON 1e-4f

// A row of channels, read by a warp, and its cotangent, to which a term adds `weight` times its gradient. Each
// answers with the value.
template <typename T> struct Row {
  const T *from;
  T *to;
  u32 channels, lane;
  float weight;
  __device__ __forceinline__ float at(u32 c) const { return load(from[c]); }
  __device__ __forceinline__ void add(u32 c, float slope) const {
    to[c] = Stored<T>::of(fmaf(weight, slope, load(to[c])));
  }
};

template <typename T> __device__ __forceinline__ float term_unit(const Row<T> &row, u32 channel) {
  // By the lane that has cleared it.
  if (row.lane == channel % 32) row.to[channel] = Stored<T>::of(load(row.to[channel]) + row.weight);
  return row.at(channel);
}

// dot(a, v) * max(0.1, cos(a, v))^power.
template <typename T> __device__ __forceinline__ float term_direction(const Row<T> &row, const float *v, int power) {
  float dot = 0.0f, squares = 0.0f, target = 0.0f;
  for (u32 c = row.lane; c < row.channels; c += 32) {
    float x = row.at(c);
    dot = fmaf(x, v[c], dot);
    squares = fmaf(x, x, squares);
    target = fmaf(v[c], v[c], target);
  }
  dot = warp_sum(dot);
  float length = sqrtf(warp_sum(squares)), guarded = length + NORM_EPSILON;
  target = sqrtf(warp_sum(target)) + NORM_EPSILON;
  float cosine = dot / (guarded * target), floored = fmaxf(cosine, COSINE_FLOOR);
  float below = 1.0f;
  for (int k = 1; k < power; k++) below *= floored;
  float factor = power > 0 ? below * floored : 1.0f;
  float of_factor = power > 0 && cosine > COSINE_FLOOR ? dot * (float)power * below : 0.0f;
  float along = length > 0.0f ? cosine / (guarded * length) : 0.0f;
  for (u32 c = row.lane; c < row.channels; c += 32)
    row.add(c, v[c] * factor + of_factor * (v[c] / (guarded * target) - along * row.at(c)));
  return dot * factor;
}

// The mean square.
template <typename T> __device__ __forceinline__ float term_deepdream(const Row<T> &row) {
  float squares = 0.0f, share = 1.0f / (float)row.channels;
  for (u32 c = row.lane; c < row.channels; c += 32) {
    float x = row.at(c);
    squares = fmaf(x, x, squares);
    row.add(c, 2.0f * share * x);
  }
  return warp_sum(squares) * share;
}

// The cosine with a vector of length 1; 0 where the row has no length.
template <typename T> __device__ __forceinline__ float term_text(const Row<T> &row, const float *v) {
  float dot = 0.0f, squares = 0.0f;
  for (u32 c = row.lane; c < row.channels; c += 32) {
    float x = row.at(c);
    dot = fmaf(x, v[c], dot);
    squares = fmaf(x, x, squares);
  }
  float length = sqrtf(warp_sum(squares));
  if (length == 0.0f) return 0.0f;
  float over = 1.0f / length, cosine = warp_sum(dot) * over;
  for (u32 c = row.lane; c < row.channels; c += 32) row.add(c, (v[c] - cosine * over * row.at(c)) * over);
  return cosine;
}

// Terms of image i are starts[i]..starts[i + 1]; `weights` of the cotangent, one a term, and `scales`, one an
// image, powers of two.
template <typename T>
__device__ __forceinline__ void reduce_terms(const T *a, const int *starts, const int *terms, const float *weights,
                                             const float *vectors, const float *scales, T *cotangent, float *table,
                                             u32 images, u32 rows, u32 channels) {
  u32 lane = threadIdx.x % 32, warps = gridDim.x * (blockDim.x / 32);
  for (u32 i = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; i < images * rows; i += warps) {
    u32 image = i / rows, row = i % rows;
    T *to = cotangent + (size_t)i * channels;
    for (u32 c = lane; c < channels; c += 32) to[c] = Stored<T>::of(0.0f);
    for (int t = starts[image]; t < starts[image + 1]; t++) {
      const int *term = terms + t * TERM_NUMBERS;
      if ((int)row < term[2] || (int)row >= term[2] + term[3]) {
        if (lane == 0) table[(size_t)t * rows + row] = 0.0f;
        continue;
      }
      float weight = weights[t] / (float)term[3] * scales[image], value = 0.0f;
      Row<T> own = {a + (size_t)i * channels, to, channels, lane, weight};
      const float *vector = vectors + (size_t)term[1] * channels;
      switch (term[0]) {
      case TERM_UNIT: value = term_unit(own, (u32)term[1]); break;
      case TERM_DIRECTION: value = term_direction(own, vector, term[4]); break;
      case TERM_DEEPDREAM: value = term_deepdream(own); break;
      case TERM_TEXT: value = term_text(own, vector); break;
      }
      if (lane == 0) table[(size_t)t * rows + row] = value;
    }
  }
}

// What is measured goes to the step's place among those that are kept.
KERNEL(reduce_values_fwd_f32, const float *table, const int *terms, const u32 *step, float *values, u32 count,
       u32 rows) {
  u32 lane = threadIdx.x % 32, t = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  if (t >= count) return;
  float sum = 0.0f;
  for (u32 row = lane; row < rows; row += 32) sum += table[(size_t)t * rows + row];
  sum = warp_sum(sum);
  if (lane == 0) values[(size_t)step[STEP_PLACE] * count + t] = sum / (float)terms[t * TERM_NUMBERS + 3];
}

// In the block's first thread.
__device__ __forceinline__ double sum_of_squares(const float *image, u32 length) {
  __shared__ double parts[256];
  double sum = 0.0;
  for (u32 i = threadIdx.x; i < length; i += blockDim.x) sum += (double)image[i] * (double)image[i];
  parts[threadIdx.x] = sum;
  __syncthreads();
  for (u32 half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    __syncthreads();
  }
  return parts[0];
}

KERNEL(reduce_norm_fwd_f32, const float *x, const u32 *step, double *squares, u32 length) {
  double sum = sum_of_squares(x + (size_t)blockIdx.x * length, length);
  if (threadIdx.x == 0) squares[step[STEP_PLACE] * gridDim.x + blockIdx.x] = sum;
}

KERNEL(reduce_guard_bwd_f32, const float *gradient, float *scales, u32 *lost, const u32 *step, double *squares,
       u32 length) {
  double sum = sum_of_squares(gradient + (size_t)blockIdx.x * length, length);
  if (threadIdx.x == 0) {
    squares[step[STEP_PLACE] * gridDim.x + blockIdx.x] = sum;
    // Not of infinity, nor of what is no number.
    bool is_finite = sum - sum == 0.0;
    u32 *own = lost + LOST_NUMBERS * blockIdx.x;
    own[LOST_BEFORE] += own[LOST_NOW];
    own[LOST_NOW] = is_finite ? 0 : 1;
    if (!is_finite) scales[blockIdx.x] *= 0.5f;
  }
}

#define REDUCE(T, S)                                                                                                   \
  KERNEL(reduce_terms_bwd_##S, const T *a, const int *starts, const int *terms, const float *weights,                 \
         const float *vectors, const float *scales, T *cotangent, float *table, u32 images, u32 rows, u32 channels) { \
    reduce_terms<T>(a, starts, terms, weights, vectors, scales, cotangent, table, images, rows, channels);            \
  }
FOR_DTYPES(REDUCE)
