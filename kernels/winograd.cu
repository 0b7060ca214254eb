// Winograd's F(4x4, 3x3) for 3x3 convolutions of stride 1 with padding 1, on channels-last fields:
// tiles of 6x6 inputs to 36 matrices, 36 products with filters that were transformed at load (cuBLAS,
// one strided batch), 36 matrices to tiles of 4x4 outputs with the epilogue in registers. A quarter of
// the multiplications of the direct convolution; the pullback is the same with filters turned around.
//
// A warp a tile's 32 channels, a lane a channel: every load and store of the 36 values is one request
// of 32 neighbours, and the transforms are additions in registers. Between the transforms everything is
// f32 whatever the dtype: rounded to 16 bits there, results are off by 2 % (f16) and more (bf16) of the
// largest. Input: reads 36/16 of the field, from L2 where tiles overlap, and writes 9 bytes a value.
// Output: reads 9 bytes a value and writes E, its size; bias, residual, ReLU and mask, or sum and gate of
// the way back, cost what they cost in epilogue.cu, without the pass. `winograd_pool` goes on to the means of
// 2x2 windows, of which a tile has four, and writes E / 4 and the mask.
#include "prelude.cuh"

// B^T d for one column or row of six.
__device__ __forceinline__ void to_winograd(const float d[6], float v[6]) {
  v[0] = fmaf(4.0f, d[0], fmaf(-5.0f, d[2], d[4]));
  float a = fmaf(-4.0f, d[2], d[4]), b = fmaf(-4.0f, d[1], d[3]);
  v[1] = a + b;
  v[2] = a - b;
  float c = d[4] - d[2], e = 2.0f * (d[3] - d[1]);
  v[3] = c + e;
  v[4] = c - e;
  v[5] = fmaf(4.0f, d[1], fmaf(-5.0f, d[3], d[5]));
}

// A^T m for one column or row of six.
__device__ __forceinline__ void from_winograd(const float m[6], float y[4]) {
  float a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
  y[0] = m[0] + a + c;
  y[1] = fmaf(2.0f, d, b);
  y[2] = fmaf(4.0f, c, a);
  y[3] = fmaf(8.0f, d, b) + m[5];
}

// x (images, h, w, c) to (36, tiles, c); tiles are images * ceil(h / 4) * ceil(w / 4).
template <typename T>
__device__ __forceinline__ void winograd_input(const T *x, float *v, u32 images, u32 h, u32 w, u32 channels) {
  u32 across = (w + 3) / 4, down = (h + 3) / 4, tiles = images * down * across, groups = (channels + 31) / 32;
  u32 lane = threadIdx.x % 32, warps = gridDim.x * (blockDim.x / 32);
  for (u32 i = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; i < tiles * groups; i += warps) {
    u32 tile = i / groups, channel = i % groups * 32 + lane;
    if (channel >= channels) continue;
    u32 image = tile / (down * across);
    int top = (int)(tile / across % down * 4) - 1, left = (int)(tile % across * 4) - 1;
    float part[6][6];
#pragma unroll
    for (int column = 0; column < 6; column++) {
      float d[6], t[6];
      int px = left + column;
#pragma unroll
      for (int row = 0; row < 6; row++) {
        int py = top + row;
        bool inside = py >= 0 && py < (int)h && px >= 0 && px < (int)w;
        d[row] = inside ? load(x[((size_t)(image * h + py) * w + px) * channels + channel]) : 0.0f;
      }
      to_winograd(d, t);
#pragma unroll
      for (int row = 0; row < 6; row++) part[row][column] = t[row];
    }
    float *to = v + (size_t)tile * channels + channel;
#pragma unroll
    for (int row = 0; row < 6; row++) {
      float t[6];
      to_winograd(part[row], t);
#pragma unroll
      for (int column = 0; column < 6; column++)
        to[(size_t)(row * 6 + column) * tiles * channels] = t[column];
    }
  }
}

// m (36, tiles, c) to y (images, h, w, c). `bias`, `add`, `made` and `gate` may be null: a sum of rows,
// a field to add, the mask that a ReLU writes, and the mask that gates. POOL: to y (images, h / 2, w / 2, c).
template <typename T, bool POOL>
__device__ __forceinline__ void winograd_output(const float *m, const float *bias, const T *add, T *y, u32 *made,
                                                const u32 *gate, u32 images, u32 h, u32 w, u32 channels) {
  u32 across = (w + 3) / 4, down = (h + 3) / 4, tiles = images * down * across, groups = (channels + 31) / 32;
  u32 lane = threadIdx.x % 32, warps = gridDim.x * (blockDim.x / 32);
  for (u32 i = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; i < tiles * groups; i += warps) {
    u32 tile = i / groups, group = i % groups, channel = group * 32 + lane;
    bool is_there = channel < channels;
    u32 image = tile / (down * across), top = tile / across % down * 4, left = tile % across * 4;
    const float *from = m + (size_t)tile * channels + channel;
    float part[4][6];
#pragma unroll
    for (int column = 0; column < 6; column++) {
      float d[6], t[4];
#pragma unroll
      for (int row = 0; row < 6; row++)
        d[row] = is_there ? from[(size_t)(row * 6 + column) * tiles * channels] : 0.0f;
      from_winograd(d, t);
#pragma unroll
      for (int row = 0; row < 4; row++) part[row][column] = t[row];
    }
    float shift = bias && is_there ? bias[channel] : 0.0f, sums[2];
#pragma unroll
    for (int row = 0; row < 4; row++) {
      if (row % 2 == 0) sums[0] = sums[1] = 0.0f;
      float t[4];
      from_winograd(part[row], t);
#pragma unroll
      for (int column = 0; column < 4; column++) {
        // The same for all lanes, so that a whole warp votes.
        if (top + row >= h || left + column >= w) continue;
        size_t position = (size_t)(image * h + top + row) * w + left + column, at = position * channels + channel;
        float value = t[column] + shift;
        if (add && is_there) value += load(add[at]);
        if (made) {
          u32 bits = __ballot_sync(WHOLE_WARP, is_there && value > 0.0f);
          if (lane == 0) made[position * groups + group] = bits;
          value = value <= 0.0f ? 0.0f : value;
        }
        if (gate && !(gate[position * groups + group] >> lane & 1)) value = 0.0f;
        if (POOL) sums[column / 2] += value;
        else if (is_there) y[at] = Stored<T>::of(value);
      }
      if constexpr (POOL) {
        u32 oh = h / 2, ow = w / 2, oy = (top + row) / 2;
        if (row % 2 == 0 || oy >= oh || !is_there) continue;
#pragma unroll
        for (int half = 0; half < 2; half++) {
          u32 ox = left / 2 + half;
          if (ox < ow) y[((size_t)(image * oh + oy) * ow + ox) * channels + channel] = Stored<T>::of(sums[half] * 0.25f);
        }
      }
    }
  }
}

#define WINOGRAD(T, S)                                                                                                 \
  KERNEL(winograd_input_fwd_##S, const T *x, float *v, u32 images, u32 h, u32 w, u32 channels) {                          \
    winograd_input<T>(x, v, images, h, w, channels);                                                                  \
  }                                                                                                                    \
  KERNEL(winograd_output_fwd_##S, const float *m, const float *bias, const T *add, T *y, u32 *made, const u32 *gate,  \
         u32 images, u32 h, u32 w, u32 channels) {                                                                     \
    winograd_output<T, false>(m, bias, add, y, made, gate, images, h, w, channels);                                   \
  }                                                                                                                    \
  KERNEL(winograd_pool_fwd_##S, const float *m, const float *bias, T *y, u32 *made, u32 images, u32 h, u32 w,         \
         u32 channels) {                                                                                               \
    winograd_output<T, true>(m, bias, (const T *)nullptr, y, made, nullptr, images, h, w, channels);                  \
  }
FOR_DTYPES(WINOGRAD)
