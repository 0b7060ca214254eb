// Samples images under one affine map each, normalises them for the encoder, and changes their layout
// from RGB planes to channels last, in one pass; and the way back.
//
// Coordinates are those of the CPU's warp: in pixels relative to the centre of a plane. Output pixel p
// reads the source at A p + t and blends the four pixels around it; what lies outside is one value, the
// image mirrored at its edge pixels, the nearest edge pixel, or noise from a hash of seed and place.
//
// Forward: a thread an output pixel, all three channels: the place and the weights are found once.
// Reads of neighbouring threads fall on neighbouring pixels, so on the same or the next sector; the
// source (12 h w bytes) stays in L2. Moves 12 h w + 3 E oh ow bytes an image, E the encoder's size.
//
// Back: a thread a source pixel, which *gathers* from the output pixels that have read it: those whose
// point lies less than a pixel away from it, or from one of its images beyond the edge. They lie in the
// parallelogram that the inverse map makes of a square, and its bounding box is searched: about
// (2 s + 1)^2 pixels at a scale of s. No atomics: sums have one order, and one result. Moves
// 3 E oh ow + 12 h w bytes an image.
#include "prelude.cuh"

// Of an image, in `maps`: the linear part by rows, the shift, the inverse of the linear part.
#define MAP_FLOATS 10
// Of an image, in `fills`: the kind, the bits of the value, the seed's lower and upper half.
#define FILL_WORDS 4
enum { FILL_CONSTANT = 0, FILL_REFLECT = 1, FILL_EDGE = 2, FILL_NOISE = 3 };
// In `norm`, three numbers each: means and inverse deviations. `scales`: by which an image's cotangents were
// multiplied, a power of two.

// Further from the image than any output pixel reads.
#define FAR_AWAY (1 << 20)

__device__ __forceinline__ int mirrored(int index, int length) {
  if (length == 1) return 0;
  int period = 2 * (length - 1);
  index %= period;
  if (index < 0) index += period;
  return index < length ? index : period - index;
}

__device__ __forceinline__ float noise(u64 seed, int y, int x, int channel) {
  u64 place = (u64)(long long)y * 0x9e3779b97f4a7c15ull ^ (u64)(long long)x * 0xc2b2ae3d27d4eb4full ^
              (u64)channel * 0x165667b19e3779f9ull;
  u64 z = seed ^ place;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z ^= z >> 31;
  return (float)(z >> 40) * (1.0f / 16777216.0f);
}

// The point of the source that an output pixel reads, from the centre of the corner pixel.
__device__ __forceinline__ void source_point(const float *map, int oy, int ox, int oh, int ow, int h, int w,
                                             float *y, float *x) {
  float px = (float)ox + 0.5f - 0.5f * (float)ow, py = (float)oy + 0.5f - 0.5f * (float)oh;
  *x = fmaf(map[0], px, fmaf(map[1], py, map[4])) + 0.5f * (float)w - 0.5f;
  *y = fmaf(map[2], px, fmaf(map[3], py, map[5])) + 0.5f * (float)h - 0.5f;
}

template <typename T>
__device__ __forceinline__ void warp_fwd(const float *x, const float *maps, const u32 *fills, const float *norm, T *y,
                                         int images, int h, int w, int oh, int ow) {
  int out = oh * ow, total = images * out;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
    int image = i / out, pixel = i % out;
    const u32 *fill = fills + image * FILL_WORDS;
    float sy, sx;
    source_point(maps + image * MAP_FLOATS, pixel / ow, pixel % ow, oh, ow, h, w, &sy, &sx);
    float top = floorf(sy), left = floorf(sx), fy = sy - top, fx = sx - left;
    const float *planes = x + (size_t)image * 3 * h * w;
    float sum[3] = {0.0f, 0.0f, 0.0f};
#pragma unroll
    for (int corner = 0; corner < 4; corner++) {
      int ny = (int)top + (corner >> 1), nx = (int)left + (corner & 1);
      float weight = ((corner >> 1) ? fy : 1.0f - fy) * ((corner & 1) ? fx : 1.0f - fx);
      bool inside = ny >= 0 && ny < h && nx >= 0 && nx < w;
      if (!inside && fill[0] == FILL_REFLECT) {
        ny = mirrored(ny, h);
        nx = mirrored(nx, w);
        inside = true;
      } else if (!inside && fill[0] == FILL_EDGE) {
        ny = min(max(ny, 0), h - 1);
        nx = min(max(nx, 0), w - 1);
        inside = true;
      }
#pragma unroll
      for (int c = 0; c < 3; c++) {
        float value;
        if (inside) value = planes[(size_t)c * h * w + ny * w + nx];
        else if (fill[0] == FILL_NOISE) value = noise((u64)fill[3] << 32 | fill[2], ny, nx, c);
        else value = float_of_bits(fill[1]);
        sum[c] = fmaf(weight, value, sum[c]);
      }
    }
#pragma unroll
    for (int c = 0; c < 3; c++) y[(size_t)i * 3 + c] = Stored<T>::of((sum[c] - norm[c]) * norm[3 + c]);
  }
}

// The images of index i beyond the edges of 0..length that lie in lo..=hi, as intervals of places.
struct Places {
  int kind, index, length, lo, hi;

  __device__ __forceinline__ int period() const { return 2 * (length - 1); }
  __device__ __forceinline__ bool at_edge() const { return index == 0 || index == length - 1; }
  // The k of the first place index + k * period that is at least lo.
  __device__ __forceinline__ int first(int from) const {
    int distance = lo - from, p = period();
    return distance >= 0 ? (distance + p - 1) / p : -((-distance) / p);
  }
  __device__ __forceinline__ int copies(int from) const {
    int start = from + first(from) * period();
    return start > hi ? 0 : (hi - start) / period() + 1;
  }
  __device__ __forceinline__ int count() const {
    if (kind != FILL_REFLECT || length == 1) return 1;
    return copies(index) + (at_edge() ? 0 : copies(-index));
  }
  __device__ __forceinline__ void get(int i, int *from, int *to) const {
    if (kind == FILL_EDGE || (kind == FILL_REFLECT && length == 1)) {
      *from = index == 0 ? -FAR_AWAY : index;
      *to = index == length - 1 ? FAR_AWAY : index;
    } else if (kind == FILL_REFLECT) {
      int straight = copies(index), base = i < straight ? index : -index;
      *from = *to = base + (first(base) + (i < straight ? i : i - straight)) * period();
    } else {
      *from = *to = index;
    }
  }
};

// How much of a sample at `point` comes from the places from..=to.
__device__ __forceinline__ float share(float point, int from, int to) {
  float low = floorf(point), part = point - low;
  int place = (int)low;
  return (place >= from && place <= to ? 1.0f - part : 0.0f) + (place + 1 >= from && place + 1 <= to ? part : 0.0f);
}

template <typename T>
__device__ __forceinline__ void warp_bwd(const T *dy, const float *maps, const u32 *fills, const float *norm,
                                         const float *scales, float *dx, int images, int h, int w, int oh, int ow) {
  int in = h * w, total = images * in;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
    int image = i / in, pixel = i % in;
    const float *map = maps + image * MAP_FLOATS;
    int kind = (int)fills[image * FILL_WORDS];
    // What the output's corners read bounds the places that can be read at all.
    float low_y = 1e9f, low_x = 1e9f, high_y = -1e9f, high_x = -1e9f;
#pragma unroll
    for (int corner = 0; corner < 4; corner++) {
      float y, x;
      source_point(map, (corner >> 1) * (oh - 1), (corner & 1) * (ow - 1), oh, ow, h, w, &y, &x);
      low_y = fminf(low_y, y), high_y = fmaxf(high_y, y);
      low_x = fminf(low_x, x), high_x = fmaxf(high_x, x);
    }
    Places rows = {kind, pixel / w, h, (int)floorf(low_y) - 1, (int)ceilf(high_y) + 1};
    Places columns = {kind, pixel % w, w, (int)floorf(low_x) - 1, (int)ceilf(high_x) + 1};
    float sum[3] = {0.0f, 0.0f, 0.0f};
    int row_count = rows.count(), column_count = columns.count();
    for (int r = 0; r < row_count; r++) {
      for (int c = 0; c < column_count; c++) {
        int y0, y1, x0, x1;
        rows.get(r, &y0, &y1);
        columns.get(c, &x0, &x1);
        // The box around what the inverse map makes of the places, a pixel wider on each side.
        float oy0 = 1e9f, oy1 = -1e9f, ox0 = 1e9f, ox1 = -1e9f;
#pragma unroll
        for (int corner = 0; corner < 4; corner++) {
          float qy = (float)((corner >> 1) ? y1 + 1 : y0 - 1) + 0.5f - 0.5f * (float)h - map[5];
          float qx = (float)((corner & 1) ? x1 + 1 : x0 - 1) + 0.5f - 0.5f * (float)w - map[4];
          float px = fmaf(map[6], qx, map[7] * qy) + 0.5f * (float)ow - 0.5f;
          float py = fmaf(map[8], qx, map[9] * qy) + 0.5f * (float)oh - 0.5f;
          oy0 = fminf(oy0, py), oy1 = fmaxf(oy1, py);
          ox0 = fminf(ox0, px), ox1 = fmaxf(ox1, px);
        }
        // Rounding may move a border by less than a pixel; what is not read has the weight 0.
        int top = (int)fmaxf(floorf(oy0), 0.0f), bottom = (int)fminf(ceilf(oy1), (float)(oh - 1));
        int left = (int)fmaxf(floorf(ox0), 0.0f), right = (int)fminf(ceilf(ox1), (float)(ow - 1));
        for (int oy = top; oy <= bottom; oy++) {
          for (int ox = left; ox <= right; ox++) {
            float sy, sx;
            source_point(map, oy, ox, oh, ow, h, w, &sy, &sx);
            float weight = share(sy, y0, y1) * share(sx, x0, x1);
            if (weight != 0.0f) {
              const T *from = dy + ((size_t)image * oh * ow + oy * ow + ox) * 3;
#pragma unroll
              for (int k = 0; k < 3; k++) sum[k] = fmaf(weight, load(from[k]), sum[k]);
            }
          }
        }
      }
    }
#pragma unroll
    for (int k = 0; k < 3; k++)
      dx[((size_t)image * 3 + k) * in + pixel] = sum[k] * (norm[3 + k] * (1.0f / scales[image]));
  }
}

#define WARP(T, S)                                                                                                     \
  KERNEL(warp_fwd_##S, const float *x, const float *maps, const u32 *fills, const float *norm, T *y, int images,      \
         int h, int w, int oh, int ow) {                                                                              \
    warp_fwd<T>(x, maps, fills, norm, y, images, h, w, oh, ow);                                                       \
  }                                                                                                                    \
  KERNEL(warp_bwd_##S, const T *dy, const float *maps, const u32 *fills, const float *norm, const float *scales,      \
         float *dx, int images, int h, int w, int oh, int ow) {                                                       \
    warp_bwd<T>(dy, maps, fills, norm, scales, dx, images, h, w, oh, ow);                                             \
  }
FOR_DTYPES(WARP)
