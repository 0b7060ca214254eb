// How alike the pictures of a group are: the cosines of the Gram matrices of their activations at a tap, and the
// gradient of their sum (`src/objective/diversity.rs` has the formula). cuBLAS makes the Gram matrices, in f32, and
// the products of the activations with what `diversity_others` leaves.
//
// `diversity_products`: the sums over all elements of the products of an image's Gram matrix with each of its group's, in f64, a
// block a pair. 8 c^2 bytes a pair. `diversity_others`: the Gram matrices of the others, each of norm 1, without
// their part along the image's own; one element a thread, strides. 4 n c^2 bytes for groups of n. `diversity_add`: adds
// to the cotangent, and notes the value. 4 + 2 E bytes an activation.
#include "prelude.cuh"

// Of an image: where its group begins, and how many images that has.
#define GROUP_NUMBERS 2
enum { GROUP_FIRST = 0, GROUP_COUNT = 1 };

// Products are rows of `most`, one an image, with the image of the group in the column.
KERNEL(diversity_products_fwd_f32, const float *grams, const int *groups, double *products, u32 most, u32 elements) {
  __shared__ double parts[256];
  u32 image = blockIdx.x / most, other = blockIdx.x % most;
  const int *group = groups + image * GROUP_NUMBERS;
  // The same for the whole block.
  if ((int)other >= group[GROUP_COUNT]) return;
  const float *a = grams + (size_t)image * elements;
  const float *b = grams + ((size_t)group[GROUP_FIRST] + other) * elements;
  double sum = 0.0;
  for (u32 i = threadIdx.x; i < elements; i += blockDim.x) sum += (double)a[i] * (double)b[i];
  parts[threadIdx.x] = sum;
  __syncthreads();
  for (u32 half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) products[blockIdx.x] = parts[0];
}

// An image in its group.
struct Member {
  const double *products;
  u32 most, first, count, own;
  __device__ __forceinline__ Member(const double *all, const int *groups, u32 image, u32 columns) {
    products = all, most = columns;
    first = (u32)groups[image * GROUP_NUMBERS + GROUP_FIRST];
    count = (u32)groups[image * GROUP_NUMBERS + GROUP_COUNT];
    own = image - first;
  }
  // One over the norm of a Gram matrix; 0 for one without a norm, which is like no other.
  __device__ __forceinline__ double over_norm(u32 other) const {
    double square = products[(size_t)(first + other) * most + other];
    return square > 0.0 ? 1.0 / sqrt(square) : 0.0;
  }
  // The sum of the cosines with the others.
  __device__ __forceinline__ double likeness() const {
    double sum = 0.0;
    for (u32 other = 0; other < count; other++)
      if (other != own) sum += products[(size_t)(first + own) * most + other] * over_norm(other);
    return sum * over_norm(own);
  }
};

template <typename T>
__device__ __forceinline__ void diversity_others(const float *grams, const int *groups, const double *products,
                                                 T *others, u32 images, u32 most, u32 elements) {
  u32 total = images * elements;
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
    Member member(products, groups, i / elements, most);
    double sum = 0.0;
    if (member.count > 1) {
      for (u32 other = 0; other < member.count; other++) {
        double share = member.over_norm(other);
        if (other == member.own) share *= -member.likeness();
        sum += share * (double)grams[(size_t)(member.first + other) * elements + i % elements];
      }
    }
    others[i] = Stored<T>::of((float)sum);
  }
}

// `weights` and `scales` one an image; slopes are rows x channels an image, which begin `skipped` rows behind those of
// the cotangent. The value goes to the step's place.
template <typename T>
__device__ __forceinline__ void diversity_add(const float *slopes, const int *groups, const double *products,
                                              const float *weights, const float *scales, const u32 *step, T *cotangent,
                                              float *values, u32 images, u32 most, u32 rows, u32 skipped,
                                              u32 channels) {
  u32 own = rows * channels, all = (rows + skipped) * channels, total = images * own;
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
    u32 image = i / own, element = i % own;
    Member member(products, groups, image, most);
    if (element == 0) values[(size_t)step[STEP_PLACE] * images + image] = member.count > 1 ? (float)member.likeness() : 0.0f;
    if (member.count == 1) continue;
    float factor = 4.0f * weights[image] * scales[image] * (float)member.over_norm(member.own);
    T *to = cotangent + (size_t)image * all + skipped * channels + element;
    *to = Stored<T>::of(fmaf(factor, slopes[i], load(*to)));
  }
}

#define DIVERSITY(T, S)                                                                                                \
  KERNEL(diversity_others_fwd_##S, const float *grams, const int *groups, const double *products, T *others,          \
         u32 images, u32 most, u32 elements) {                                                                         \
    diversity_others<T>(grams, groups, products, others, images, most, elements);                                      \
  }                                                                                                                    \
  KERNEL(diversity_add_bwd_##S, const float *slopes, const int *groups, const double *products, const float *weights, \
         const float *scales, const u32 *step, T *cotangent, float *values, u32 images, u32 most, u32 rows,            \
         u32 skipped, u32 channels) {                                                                                  \
    diversity_add<T>(slopes, groups, products, weights, scales, step, cotangent, values, images, most, rows, skipped,  \
                     channels);                                                                                        \
  }
FOR_DTYPES(DIVERSITY)
