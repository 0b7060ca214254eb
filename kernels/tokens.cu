// Between fields and sequences of tokens: the first token and the positional embedding in front of a
// transformer and of the ResNets' attention pool, and back; and the class token alone.
//
// A thread a value of the result, neighbouring threads neighbouring channels. The pool's first token
// is the mean of all cells: a thread a channel, which reads the cells in order and writes them on the
// way. 2 E bytes a value, E its size.
#include "prelude.cuh"

// (images, cells, c) to (images, 1 + cells, c): the class token, then the cells, plus positions.
template <typename T>
__device__ __forceinline__ void class_tokens_fwd(const T *x, const float *first, const float *positions, T *y,
                                                 u32 images, u32 cells, u32 channels) {
  u32 tokens = cells + 1, count = images * tokens * channels;
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    u32 channel = i % channels, token = i / channels % tokens, image = i / channels / tokens;
    float own = token == 0 ? first[channel] : load(x[((size_t)image * cells + token - 1) * channels + channel]);
    y[i] = Stored<T>::of(own + positions[token * channels + channel]);
  }
}

template <typename T>
__device__ __forceinline__ void class_tokens_bwd(const T *dy, T *dx, u32 images, u32 cells, u32 channels) {
  u32 count = images * cells * channels;
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    u32 row = i / channels, image = row / cells;
    dx[i] = dy[((size_t)row + image + 1) * channels + i % channels];
  }
}

// The first token of each image: (images, tokens, c) to (images, c).
template <typename T>
__device__ __forceinline__ void first_token_fwd(const T *x, T *y, u32 images, u32 tokens, u32 channels) {
  u32 count = images * channels;
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
    y[i] = x[(size_t)(i / channels) * tokens * channels + i % channels];
}

template <typename T>
__device__ __forceinline__ void first_token_bwd(const T *dy, T *dx, u32 images, u32 tokens, u32 channels) {
  u32 count = images * tokens * channels;
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    u32 token = i / channels % tokens, image = i / channels / tokens;
    dx[i] = token == 0 ? dy[image * channels + i % channels] : Stored<T>::of(0.0f);
  }
}

// (images, cells, c) to (images, 1 + cells, c): the cells' mean, then the cells, plus positions.
template <typename T>
__device__ __forceinline__ void mean_tokens_fwd(const T *x, const float *positions, T *y, u32 images, u32 cells,
                                                u32 channels) {
  u32 count = images * channels;
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    u32 channel = i % channels, image = i / channels;
    const T *from = x + (size_t)image * cells * channels + channel;
    T *to = y + (size_t)image * (cells + 1) * channels + channel;
    float sum = 0.0f;
    for (u32 cell = 0; cell < cells; cell++) {
      float v = load(from[(size_t)cell * channels]);
      sum += v;
      to[(size_t)(cell + 1) * channels] = Stored<T>::of(v + positions[(cell + 1) * channels + channel]);
    }
    to[0] = Stored<T>::of(sum / (float)cells + positions[channel]);
  }
}

// `first`: a further cotangent of the first token, (images, c), that of the pool's query.
template <typename T>
__device__ __forceinline__ void mean_tokens_bwd(const T *dy, const T *first, T *dx, u32 images, u32 cells,
                                                u32 channels) {
  u32 count = images * cells * channels;
  float share = 1.0f / (float)cells;
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    u32 channel = i % channels, row = i / channels, image = row / cells;
    float of_mean = load(dy[(size_t)image * (cells + 1) * channels + channel]) + load(first[image * channels + channel]);
    dx[i] = Stored<T>::of(fmaf(of_mean, share, load(dy[((size_t)row + image + 1) * channels + channel])));
  }
}

#define TOKENS(T, S)                                                                                                   \
  KERNEL(class_tokens_fwd_##S, const T *x, const float *first, const float *positions, T *y, u32 images, u32 cells,   \
         u32 channels) {                                                                                               \
    class_tokens_fwd<T>(x, first, positions, y, images, cells, channels);                                             \
  }                                                                                                                    \
  KERNEL(class_tokens_bwd_##S, const T *dy, T *dx, u32 images, u32 cells, u32 channels) {                             \
    class_tokens_bwd<T>(dy, dx, images, cells, channels);                                                             \
  }                                                                                                                    \
  KERNEL(first_token_fwd_##S, const T *x, T *y, u32 images, u32 tokens, u32 channels) {                               \
    first_token_fwd<T>(x, y, images, tokens, channels);                                                               \
  }                                                                                                                    \
  KERNEL(first_token_bwd_##S, const T *dy, T *dx, u32 images, u32 tokens, u32 channels) {                             \
    first_token_bwd<T>(dy, dx, images, tokens, channels);                                                             \
  }                                                                                                                    \
  KERNEL(mean_tokens_fwd_##S, const T *x, const float *positions, T *y, u32 images, u32 cells, u32 channels) {        \
    mean_tokens_fwd<T>(x, positions, y, images, cells, channels);                                                     \
  }                                                                                                                    \
  KERNEL(mean_tokens_bwd_##S, const T *dy, const T *first, T *dx, u32 images, u32 cells, u32 channels) {              \
    mean_tokens_bwd<T>(dy, first, dx, images, cells, channels);                                                       \
  }
FOR_DTYPES(TOKENS)
