// The BLAS libraries that kernels_bench compares with; those that the build found.
#pragma once

#include <cstdint>
#include <vector>

namespace transept::kernels::cpu {

// out[i][j] = Σ_l x[i][l] w[j][l], row-major; rows of `out` lie out_stride apart.
struct SgemmArguments {
  int64_t m;
  int64_t n;
  int64_t k;
  const float* x;  // [m, k]
  const float* w;  // [n, k]
  float* out;      // [m, n]
  int64_t out_stride;
};

struct Sgemm {
  const char* name;
  // On the calling thread alone.
  void (*run)(const SgemmArguments&);
};

const std::vector<Sgemm>& Libraries();

}  // namespace transept::kernels::cpu
