// Permutes projected tokens so that each head's rows lie together, for strided batches of products:
// (images, tokens, parts * width) to (parts, images, heads, tokens, width / heads), and back. The two are
// each other's inverse, so either is the other's pullback.
//
// A thread a value of the result, neighbouring threads neighbouring components of a head (64 in CLIP):
// reads and writes run over at least 64 values. 2 E bytes a value, E its size.
#include "prelude.cuh"

struct Heads {
  u32 images, tokens, parts, heads, size;

  __device__ __forceinline__ u32 count() const { return images * tokens * parts * heads * size; }
  // Of value i in the order of heads: where it lies among tokens.
  __device__ __forceinline__ u32 among_tokens(u32 i) const {
    u32 component = i % size, rest = i / size, token = rest % tokens;
    rest /= tokens;
    u32 head = rest % heads, image = rest / heads % images, part = rest / heads / images;
    return ((image * tokens + token) * parts + part) * heads * size + head * size + component;
  }
};

template <typename T> __device__ __forceinline__ void heads_split(const T *x, T *y, Heads shape) {
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < shape.count(); i += gridDim.x * blockDim.x)
    y[i] = x[shape.among_tokens(i)];
}

template <typename T> __device__ __forceinline__ void heads_join(const T *x, T *y, Heads shape) {
  for (u32 i = blockIdx.x * blockDim.x + threadIdx.x; i < shape.count(); i += gridDim.x * blockDim.x)
    y[shape.among_tokens(i)] = x[i];
}

#define HEADS(T, S)                                                                                                    \
  KERNEL(heads_fwd_##S, const T *x, T *y, u32 images, u32 tokens, u32 parts, u32 heads, u32 size) {                   \
    heads_split<T>(x, y, Heads{images, tokens, parts, heads, size});                                                  \
  }                                                                                                                    \
  KERNEL(heads_bwd_##S, const T *dy, T *dx, u32 images, u32 tokens, u32 parts, u32 heads, u32 size) {                 \
    heads_join<T>(dy, dx, Heads{images, tokens, parts, heads, size});                                                 \
  }
FOR_DTYPES(HEADS)
