// From free spectra to RGB, and back. Everything is f32: the spectrum is the master copy of a picture.
//
//     t = irfft2(scale * spectrum) (three planes an image), rgb = sigmoid(C t) at every pixel
//
// The inverse transform of a plane is three products with cached bases (cuBLAS, strided batches):
// columns first, as a real product of the stacked real and imaginary parts, then rows, the real and the
// imaginary part one after the other into the same sum. The kernels here are what surrounds them.
//
// `synthesis_spectrum`: scales a half spectrum of (real, imaginary) pairs and takes it apart into two
// planes, as the products want them: reads 8 h c and writes 8 h c bytes a plane, c = w / 2 + 1 columns; the
// scales (4 h c bytes, the same for all planes) stay in cache. Its pullback does the same the other way.
// That most columns stand for their mirror image too is in the rows' basis.
//
// `synthesis_colour`: the colour matrix and the sigmoid; 24 h w bytes an image. Its pullback reads the
// RGB instead of recomputing it: 36 h w bytes.
#include "prelude.cuh"

KERNEL(synthesis_spectrum_fwd_f32, const float *spectrum, const float *scale, float *parts, int planes, int bins) {
  int total = planes * bins;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
    int plane = i / bins, bin = i % bins;
    float2 value = reinterpret_cast<const float2 *>(spectrum)[i];
    float s = scale[bin];
    parts[(size_t)plane * 2 * bins + bin] = value.x * s;
    parts[(size_t)plane * 2 * bins + bins + bin] = value.y * s;
  }
}

KERNEL(synthesis_spectrum_bwd_f32, const float *parts, const float *scale, float *spectrum, int planes, int bins) {
  int total = planes * bins;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
    int plane = i / bins, bin = i % bins;
    float2 value;
    value.x = parts[(size_t)plane * 2 * bins + bin] * scale[bin];
    value.y = parts[(size_t)plane * 2 * bins + bins + bin] * scale[bin];
    reinterpret_cast<float2 *>(spectrum)[i] = value;
  }
}

// The matrix by rows, in `colours`.
KERNEL(synthesis_colour_fwd_f32, const float *t, const float *colours, float *rgb, int images, int pixels) {
  int total = images * pixels;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
    size_t first = (size_t)(i / pixels) * 3 * pixels + i % pixels;
    float a = t[first], b = t[first + pixels], c = t[first + 2 * pixels];
#pragma unroll
    for (int k = 0; k < 3; k++) {
      float mixed = fmaf(colours[3 * k], a, fmaf(colours[3 * k + 1], b, colours[3 * k + 2] * c));
      rgb[first + (size_t)k * pixels] = 1.0f / (1.0f + expf(-mixed));
    }
  }
}

KERNEL(synthesis_colour_bwd_f32, const float *rgb, const float *drgb, const float *colours, float *dt, int images,
       int pixels) {
  int total = images * pixels;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < total; i += gridDim.x * blockDim.x) {
    size_t first = (size_t)(i / pixels) * 3 * pixels + i % pixels;
    float sum[3] = {0.0f, 0.0f, 0.0f};
#pragma unroll
    for (int k = 0; k < 3; k++) {
      float y = rgb[first + (size_t)k * pixels];
      float slope = drgb[first + (size_t)k * pixels] * y * (1.0f - y);
#pragma unroll
      for (int j = 0; j < 3; j++) sum[j] = fmaf(colours[3 * k + j], slope, sum[j]);
    }
#pragma unroll
    for (int j = 0; j < 3; j++) dt[first + (size_t)j * pixels] = sum[j];
  }
}
