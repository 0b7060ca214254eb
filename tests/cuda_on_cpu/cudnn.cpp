// The functions of cuDNN 9 that percept calls, on the driver beside it, written from cuDNN's documentation. A
// convolution is what its descriptors say. There is one algorithm each way; another one, another layout, other types,
// or arithmetic with other digits is refused, as is a workspace that is too small.
//
// What the algorithms precompute are places: a table in the workspace, which the sums then read, and which is NaN again
// when they are done.
//
// FAKE_CUDNN_VERSION=n is of another version.
#include "driver.hpp"
#include <cstdio>
#include <cstdlib>

using driver::number;
using driver::store;

namespace {

enum Status {
  SUCCESS = 0,
  BAD_PARAM = 2000,
  NULL_POINTER = 2002,
  SIZE_INSUFFICIENT = 2006,
  SHAPE_MISMATCH = 2008,
  NOT_SUPPORTED = 3000,
  NOT_SUPPORTED_DATA_TYPE = 3003,
  NOT_SUPPORTED_LAYOUT = 3004,
  INTERNAL_ERROR = 4000
};
enum Type { FLOAT = 0, HALF = 2, BFLOAT16 = 9 };
enum Math { TENSOR_OP_MATH = 1, FMA_MATH = 3 };
enum Mode { CONVOLUTION = 0, CROSS_CORRELATION = 1 };
const int NHWC = 1, IMPLICIT_PRECOMP_GEMM = 1, BWD_DATA_ALGO_1 = 1;

struct Handle {
  void *stream = nullptr;
};
// Of numbers: images or outputs, channels, height, width.
struct Tensor {
  int type = -1, format = -1, n = 0, c = 0, h = 0, w = 0;

  int set(int of_type, int of_format, int images, int channels, int height, int width) {
    if (images <= 0 || channels <= 0 || height <= 0 || width <= 0) return BAD_PARAM;
    *this = Tensor{of_type, of_format, images, channels, height, width};
    return SUCCESS;
  }
};
struct Convolution {
  int pad_h = 0, pad_w = 0, stride_h = 0, stride_w = 0, dilation_h = 0, dilation_w = 0, mode = -1, compute = -1, math = 0;
};

// Those of this thread that are not destroyed; a handle is destroyed after them.
thread_local int descriptors = 0;

template <class T> int create(void **descriptor) { return descriptors++, *descriptor = new T, SUCCESS; }
template <class T> int destroy(void *descriptor) { return descriptors--, delete static_cast<T *>(descriptor), SUCCESS; }

// All of a convolution between the fields x and y.
struct Shape {
  Tensor x, filter, y;
  Convolution own;

  static int of(void *x, void *filter, void *own, void *y, Shape &made) {
    if (!x || !filter || !own || !y) return NULL_POINTER;
    made = Shape{*(Tensor *)x, *(Tensor *)filter, *(Tensor *)y, *(Convolution *)own};
    return made.check();
  }

  int check() const {
    if (x.type != filter.type || x.type != y.type) return BAD_PARAM;
    bool is_narrow = x.type == HALF || x.type == BFLOAT16;
    if (own.compute != FLOAT || !(is_narrow || x.type == FLOAT)) return NOT_SUPPORTED_DATA_TYPE;
    if (own.math != (is_narrow ? TENSOR_OP_MATH : FMA_MATH)) return NOT_SUPPORTED;
    if (x.format != NHWC || filter.format != NHWC || y.format != NHWC) return NOT_SUPPORTED_LAYOUT;
    auto side = [](int size, int pad, int kernel, int dilation, int stride) {
      return (size + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1;
    };
    bool fits = filter.c == x.c && filter.n == y.c && x.n == y.n &&
                y.h == side(x.h, own.pad_h, filter.h, own.dilation_h, own.stride_h) &&
                y.w == side(x.w, own.pad_w, filter.w, own.dilation_w, own.stride_w);
    return fits ? SUCCESS : SHAPE_MISMATCH;
  }

  int taps() const { return filter.h * filter.w; }
  size_t forward_bytes() const { return sizeof(long) * y.h * y.w * taps(); }
  size_t backward_bytes() const { return sizeof(long) * x.h * x.w * taps(); }

  // Where a tap of the filter lies: its row and column in the window of an output.
  void tap(int t, int &ky, int &kx) const {
    ky = t / filter.w, kx = t % filter.w;
    if (own.mode == CONVOLUTION) ky = filter.h - 1 - ky, kx = filter.w - 1 - kx;
  }

  // The input's positions that each output's taps read; -1 in the padding.
  void forward_places(long *places) const {
    for (int oy = 0; oy < y.h; oy++)
      for (int ox = 0; ox < y.w; ox++)
        for (int t = 0, ky, kx; t < taps(); t++) {
          tap(t, ky, kx);
          int row = oy * own.stride_h - own.pad_h + ky * own.dilation_h;
          int column = ox * own.stride_w - own.pad_w + kx * own.dilation_w;
          bool inside = row >= 0 && row < x.h && column >= 0 && column < x.w;
          *places++ = inside ? (long)row * x.w + column : -1;
        }
  }

  // The outputs' positions that read each input by each tap; -1 where there is none.
  void backward_places(long *places) const {
    for (int row = 0; row < x.h; row++)
      for (int column = 0; column < x.w; column++)
        for (int t = 0, ky, kx; t < taps(); t++) {
          tap(t, ky, kx);
          int down = row + own.pad_h - ky * own.dilation_h, across = column + own.pad_w - kx * own.dilation_w;
          bool is_one = down >= 0 && across >= 0 && down % own.stride_h == 0 && across % own.stride_w == 0;
          int oy = down / own.stride_h, ox = across / own.stride_w;
          *places++ = is_one && oy < y.h && ox < y.w ? (long)oy * y.w + ox : -1;
        }
  }

  // Sums in f64 over the taps of each of `to`'s positions; `weight` is (taps, from.c, to.c).
  template <class T>
  void sum(const T *in, const Tensor &from, const std::vector<double> &weight, const long *places, float alpha, float beta,
           T *out, const Tensor &to) const {
    std::vector<double> sums(to.c);
    long positions = (long)to.h * to.w;
    for (long image = 0; image < to.n; image++)
      for (long position = 0; position < positions; position++) {
        std::fill(sums.begin(), sums.end(), 0.0);
        for (int t = 0; t < taps(); t++) {
          long place = places[position * taps() + t];
          if (place < 0) continue;
          const T *row = in + (image * from.h * from.w + place) * from.c;
          for (int i = 0; i < from.c; i++) {
            double v = number(row[i]);
            const double *w = &weight[((size_t)t * from.c + i) * to.c];
            for (int o = 0; o < to.c; o++) sums[o] += v * w[o];
          }
        }
        T *row = out + (image * positions + position) * to.c;
        // With beta 0 what was there must not matter, NaN included.
        for (int o = 0; o < to.c; o++) store(row + o, alpha * (float)sums[o] + (beta != 0 ? beta * number(row[o]) : 0.0f));
      }
  }

  // The filter (outputs, taps, inputs) as a matrix (inputs, outputs) a tap, or its transpose.
  template <class T> std::vector<double> weight(const T *w, bool is_transposed) const {
    std::vector<double> made((size_t)filter.n * taps() * filter.c);
    for (int o = 0; o < filter.n; o++)
      for (int t = 0; t < taps(); t++)
        for (int i = 0; i < filter.c; i++) {
          size_t at = is_transposed ? ((size_t)t * filter.n + o) * filter.c + i : ((size_t)t * filter.c + i) * filter.n + o;
          made[at] = number(w[((size_t)o * taps() + t) * filter.c + i]);
        }
    return made;
  }

  // Has a stream do `work`, which is told the type of the arrays by a pointer.
  template <class F> int launch(void *handle, void *workspace, size_t bytes, F work) const {
    int type = x.type;
    return driver::launch(static_cast<Handle *>(handle)->stream, "cuDNN", [=] {
      long *places = static_cast<long *>(workspace);
      if (type == HALF) work((__half *)nullptr, places);
      else if (type == BFLOAT16) work((__nv_bfloat16 *)nullptr, places);
      else work((float *)nullptr, places);
      std::memset(workspace, 0xff, bytes);
    });
  }
};

} // namespace

extern "C" {

size_t cudnnGetVersion() { return (size_t)driver::setting("FAKE_CUDNN_VERSION", 92100); }
int cudnnCreate(void **handle) { return driver::is_capturing() ? INTERNAL_ERROR : (*handle = new Handle, SUCCESS); }
int cudnnDestroy(void *handle) {
  if (descriptors != 0) std::fprintf(stderr, "cuDNN: %d descriptors were not destroyed\n", descriptors), std::abort();
  return delete static_cast<Handle *>(handle), SUCCESS;
}
int cudnnSetStream(void *handle, void *stream) { return static_cast<Handle *>(handle)->stream = stream, SUCCESS; }

int cudnnCreateTensorDescriptor(void **descriptor) { return create<Tensor>(descriptor); }
int cudnnDestroyTensorDescriptor(void *descriptor) { return destroy<Tensor>(descriptor); }
int cudnnSetTensor4dDescriptor(void *descriptor, int format, int type, int n, int c, int h, int w) {
  return static_cast<Tensor *>(descriptor)->set(type, format, n, c, h, w);
}
int cudnnCreateFilterDescriptor(void **descriptor) { return create<Tensor>(descriptor); }
int cudnnDestroyFilterDescriptor(void *descriptor) { return destroy<Tensor>(descriptor); }
int cudnnSetFilter4dDescriptor(void *descriptor, int type, int format, int k, int c, int h, int w) {
  return static_cast<Tensor *>(descriptor)->set(type, format, k, c, h, w);
}
int cudnnCreateConvolutionDescriptor(void **descriptor) { return create<Convolution>(descriptor); }
int cudnnDestroyConvolutionDescriptor(void *descriptor) { return destroy<Convolution>(descriptor); }
int cudnnSetConvolution2dDescriptor(void *descriptor, int pad_h, int pad_w, int u, int v, int dilation_h, int dilation_w,
                                    int mode, int compute) {
  if (pad_h < 0 || pad_w < 0 || u <= 0 || v <= 0 || dilation_h <= 0 || dilation_w <= 0) return BAD_PARAM;
  if (mode != CONVOLUTION && mode != CROSS_CORRELATION) return BAD_PARAM;
  *static_cast<Convolution *>(descriptor) = Convolution{pad_h, pad_w, u, v, dilation_h, dilation_w, mode, compute};
  return SUCCESS;
}
int cudnnSetConvolutionMathType(void *descriptor, int math) {
  return static_cast<Convolution *>(descriptor)->math = math, SUCCESS;
}

int cudnnGetConvolutionForwardWorkspaceSize(void *handle, void *x, void *filter, void *own, void *y, int algorithm,
                                            size_t *bytes) {
  Shape shape;
  if (!handle || !bytes) return NULL_POINTER;
  if (int status = Shape::of(x, filter, own, y, shape)) return status;
  if (algorithm != IMPLICIT_PRECOMP_GEMM) return NOT_SUPPORTED;
  return *bytes = shape.forward_bytes(), SUCCESS;
}
int cudnnGetConvolutionBackwardDataWorkspaceSize(void *handle, void *filter, void *dy, void *own, void *dx, int algorithm,
                                                 size_t *bytes) {
  Shape shape;
  if (!handle || !bytes) return NULL_POINTER;
  if (int status = Shape::of(dx, filter, own, dy, shape)) return status;
  if (algorithm != BWD_DATA_ALGO_1) return NOT_SUPPORTED;
  return *bytes = shape.backward_bytes(), SUCCESS;
}

int cudnnConvolutionForward(void *handle, const void *alpha, void *x_of, const void *x, void *filter_of, const void *filter,
                            void *own, int algorithm, void *workspace, size_t bytes, const void *beta, void *y_of, void *y) {
  size_t needed;
  int status = cudnnGetConvolutionForwardWorkspaceSize(handle, x_of, filter_of, own, y_of, algorithm, &needed);
  if (status != SUCCESS) return status;
  if (!alpha || !x || !filter || !workspace || !beta || !y) return NULL_POINTER;
  if (bytes < needed) return SIZE_INSUFFICIENT;
  Shape shape;
  Shape::of(x_of, filter_of, own, y_of, shape);
  float scale = *(const float *)alpha, keep = *(const float *)beta;
  return shape.launch(handle, workspace, bytes, [=](auto *typed, long *places) {
    using T = decltype(typed);
    shape.forward_places(places);
    shape.sum((T)x, shape.x, shape.weight((T)filter, false), places, scale, keep, (T)y, shape.y);
  });
}
int cudnnConvolutionBackwardData(void *handle, const void *alpha, void *filter_of, const void *filter, void *dy_of,
                                 const void *dy, void *own, int algorithm, void *workspace, size_t bytes, const void *beta,
                                 void *dx_of, void *dx) {
  size_t needed;
  int status = cudnnGetConvolutionBackwardDataWorkspaceSize(handle, filter_of, dy_of, own, dx_of, algorithm, &needed);
  if (status != SUCCESS) return status;
  if (!alpha || !filter || !dy || !workspace || !beta || !dx) return NULL_POINTER;
  if (bytes < needed) return SIZE_INSUFFICIENT;
  Shape shape;
  Shape::of(dx_of, filter_of, own, dy_of, shape);
  float scale = *(const float *)alpha, keep = *(const float *)beta;
  return shape.launch(handle, workspace, bytes, [=](auto *typed, long *places) {
    using T = decltype(typed);
    shape.backward_places(places);
    shape.sum((T)dy, shape.y, shape.weight((T)filter, true), places, scale, keep, (T)dx, shape.x);
  });
}

} // extern "C"
