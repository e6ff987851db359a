#include "kernels/cuda/tensor_map.h"

#include <cudaTypedefs.h>

namespace transept::kernels::cuda {
namespace {

// The driver's function, found through the runtime: nothing is linked with the driver.
PFN_cuTensorMapEncodeTiled_v12000 FindEncode() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  constexpr unsigned kSince = 12000;
  const cudaError_t result = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function,
                                                              kSince, cudaEnableDefault, &found);
  if (result != cudaSuccess || found != cudaDriverEntryPointSuccess) return nullptr;
  return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(function);
}

}  // namespace

CUtensorMap MapOf(const MappedMatrix& matrix, Device& device) {
  static const PFN_cuTensorMapEncodeTiled_v12000 encode = FindEncode();
  CUtensorMap map = {};
  const CUtensorMapDataType type = matrix.dtype == DataType::kBFloat16
                                       ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
                                       : CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
  // Innermost first.
  const cuuint64_t size[] = {static_cast<cuuint64_t>(matrix.cols),
                             static_cast<cuuint64_t>(matrix.rows)};
  const cuuint64_t stride[] = {static_cast<cuuint64_t>(matrix.stride) * SizeOf(matrix.dtype)};
  const cuuint32_t tile[] = {kMapColumns, matrix.tile_rows};
  const cuuint32_t every[] = {1, 1};
  const bool mapped =
      encode != nullptr &&
      encode(&map, type, 2, const_cast<void*>(matrix.data), size, stride, tile, every,
             CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
  device.Check(mapped ? cudaSuccess : cudaErrorNotSupported,
               "mapping a matrix for the copy engine");
  return map;
}

}  // namespace transept::kernels::cuda
