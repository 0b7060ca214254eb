// The functions of cuBLAS that percept calls, on the driver beside it.
#include "driver.hpp"

using driver::number;
using driver::store;

namespace {

// Column-major, as cuBLAS has it: c = alpha op(a) op(b) + beta c.
struct Product {
  bool ta, tb;
  int m, n, k;
  float alpha, beta;
  int lda, ldb, ldc;

  // Sums in f64. Columns of a are contiguous unless it is transposed, and then its rows are.
  template <class T, class U> void run(const T *a, const T *b, U *c) const {
    std::vector<double> left((size_t)m * k), right(k), sums(m);
    for (int l = 0; l < k; l++)
      for (int i = 0; i < m; i++)
        left[ta ? (size_t)i * k + l : (size_t)l * m + i] = number(ta ? a[l + (size_t)i * lda] : a[i + (size_t)l * lda]);
    for (int j = 0; j < n; j++) {
      for (int l = 0; l < k; l++) right[l] = number(tb ? b[j + (size_t)l * ldb] : b[l + (size_t)j * ldb]);
      if (ta) {
        for (int i = 0; i < m; i++) sums[i] = dot(&left[(size_t)i * k], right.data());
      } else {
        std::fill(sums.begin(), sums.end(), 0.0);
        for (int l = 0; l < k; l++)
          for (int i = 0; i < m; i++) sums[i] += left[(size_t)l * m + i] * right[l];
      }
      for (int i = 0; i < m; i++) {
        U *to = c + i + (size_t)j * ldc;
        // With beta 0 what was there must not matter, NaN included.
        store(to, alpha * (float)sums[i] + (beta != 0 ? beta * number(*to) : 0.0f));
      }
    }
  }

  double dot(const double *x, const double *y) const {
    double parts[4] = {0, 0, 0, 0};
    for (int l = 0; l < k; l++) parts[l % 4] += x[l] * y[l];
    return parts[0] + parts[1] + parts[2] + parts[3];
  }
};

} // namespace

extern "C" {

int cublasCreate_v2(void **handle) { return *handle = new void *(nullptr), 0; }
int cublasDestroy_v2(void *handle) { return delete static_cast<void **>(handle), 0; }
int cublasSetStream_v2(void *handle, void *stream) { return *static_cast<void **>(handle) = stream, 0; }
int cublasSetWorkspace_v2(void *, void *, size_t) { return 0; }
int cublasSetMathMode(void *, int) { return 0; }

int cublasGemmStridedBatchedEx(void *handle, int ta, int tb, int m, int n, int k, const void *alpha, const void *a,
                               int a_type, int lda, long long a_stride, const void *b, int b_type, int ldb,
                               long long b_stride, const void *beta, void *c, int c_type, int ldc,
                               long long c_stride, int batch, int compute, int) {
  const int NOT_SUPPORTED = 15, F32 = 0, F16 = 2, BF16 = 14, COMPUTE_F32 = 68;
  if (compute != COMPUTE_F32 || a_type != b_type) return NOT_SUPPORTED;
  if (lda < std::max(1, ta ? k : m) || ldb < std::max(1, tb ? n : k) || ldc < std::max(1, m)) return 7;
  Product product{ta != 0, tb != 0, m, n, k, *(const float *)alpha, *(const float *)beta, lda, ldb, ldc};
  auto run = [&](auto *a, auto *b, auto *c) {
    return driver::launch(*static_cast<void **>(handle), "cuBLAS", [=] {
      for (int i = 0; i < batch; i++) product.run(a + i * a_stride, b + i * b_stride, c + i * c_stride);
    });
  };
  if (a_type == F32 && c_type == F32) return run((const float *)a, (const float *)b, (float *)c);
  if (a_type == F16 && c_type == F16) return run((const __half *)a, (const __half *)b, (__half *)c);
  if (a_type == F16 && c_type == F32) return run((const __half *)a, (const __half *)b, (float *)c);
  if (a_type == BF16 && c_type == BF16) return run((const __nv_bfloat16 *)a, (const __nv_bfloat16 *)b, (__nv_bfloat16 *)c);
  if (a_type == BF16 && c_type == F32) return run((const __nv_bfloat16 *)a, (const __nv_bfloat16 *)b, (float *)c);
  return NOT_SUPPORTED;
}

} // extern "C"
