// The cuBLASLt of tests/support/fake_cuda.h.
#include <cublasLt.h>

#include <algorithm>

#include "tests/support/fake_cuda_call.h"

namespace transept::fake_cuda {
namespace {

cublasStatus_t BlasStatus(cudaError_t result) {
  if (result == cudaErrorMemoryAllocation) return CUBLAS_STATUS_ALLOC_FAILED;
  if (result == cudaErrorNotSupported) return CUBLAS_STATUS_NOT_SUPPORTED;
  return result == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace

extern "C" {  // the global functions, wherever they are defined

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return BlasStatus(Make("cublasLtCreate", handle));
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return BlasStatus(Destroy("cublasLtDestroy", handle));
}
const char* cublasLtGetStatusString(cublasStatus_t) {
  return "an illegal memory access was encountered, says cuBLAS";
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t, int requested,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* count) {
  *count = std::min(requested, 2);
  std::fill_n(results, *count, cublasLtMatmulHeuristicResult_t{});
  return BlasStatus(Nothing("cublasLtMatmulAlgoGetHeuristic"));
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t, const void*, const void*,
                              cublasLtMatrixLayout_t, const void*, cublasLtMatrixLayout_t,
                              const void*, const void*, cublasLtMatrixLayout_t, void*,
                              cublasLtMatrixLayout_t, const cublasLtMatmulAlgo_t*, void*, size_t,
                              cudaStream_t) {
  return BlasStatus(Nothing("cublasLtMatmul"));
}

// Descriptions of products are no more than host memory: here nothing at all.
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t*, cublasComputeType_t,
                                        cudaDataType_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t, cublasLtMatmulDescAttributes_t,
                                              const void*, size_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t*, cudaDataType, uint64_t, uint64_t,
                                          int64_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t*) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t,
                                                    cublasLtMatmulPreferenceAttributes_t,
                                                    const void*, size_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t) {
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"

}  // namespace transept::fake_cuda
