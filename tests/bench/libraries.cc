#include "tests/bench/libraries.h"

#ifdef TRANSEPT_BENCH_DNNL
#include <omp.h>

#include <array>
#include <map>

#include "dnnl.hpp"
#endif
#ifdef TRANSEPT_BENCH_OPENBLAS
#include <cblas.h>
#endif

namespace transept::kernels::cpu {
namespace {

#ifdef TRANSEPT_BENCH_DNNL
void DnnlSgemm(const SgemmArguments& a) {
  omp_set_num_threads(1);  // a setting of the calling thread
  dnnl_sgemm('N', 'T', a.m, a.n, a.k, 1.0f, a.x, a.k, a.w, a.k, 0.0f, a.out, a.out_stride);
}

void DnnlMatmul(const SgemmArguments& a) {
  using Memory = dnnl::memory;
  omp_set_num_threads(1);
  thread_local dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  thread_local dnnl::stream stream(engine);
  const auto describe = [](int64_t rows, int64_t cols, const Memory::dims& strides) {
    return Memory::desc({rows, cols}, Memory::data_type::f32, strides);
  };
  const Memory::desc x = describe(a.m, a.k, {a.k, 1});
  const Memory::desc w = describe(a.k, a.n, {1, a.k});
  const Memory::desc out = describe(a.m, a.n, {a.out_stride, 1});
  thread_local std::map<std::array<int64_t, 4>, dnnl::matmul> made;
  auto [entry, is_new] = made.try_emplace({a.m, a.n, a.k, a.out_stride});
  if (is_new) entry->second = dnnl::matmul({{x, w, out}, engine});
  entry->second.execute(stream, {{DNNL_ARG_SRC, Memory(x, engine, const_cast<float*>(a.x))},
                                 {DNNL_ARG_WEIGHTS, Memory(w, engine, const_cast<float*>(a.w))},
                                 {DNNL_ARG_DST, Memory(out, engine, a.out)}});
  stream.wait();
}
#endif

#ifdef TRANSEPT_BENCH_OPENBLAS
void OpenBlasSgemm(const SgemmArguments& a) {
  openblas_set_num_threads(1);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, a.m, a.n, a.k, 1.0f, a.x, a.k, a.w, a.k,
              0.0f, a.out, a.out_stride);
}
#endif

}  // namespace

const std::vector<Sgemm>& Libraries() {
  static const std::vector<Sgemm> libraries = {
#ifdef TRANSEPT_BENCH_DNNL
      {"dnnl_sgemm", DnnlSgemm},
      {"dnnl matmul", DnnlMatmul},
#endif
#ifdef TRANSEPT_BENCH_OPENBLAS
      {"OpenBLAS", OpenBlasSgemm},
#endif
  };
  return libraries;
}

}  // namespace transept::kernels::cpu
