#include "engine/attention/cuda_backends.h"

#include <array>

#include "absl/strings/str_cat.h"

namespace transept {
namespace {

constexpr int32_t kMaxHeadSize = 256;        // of the kernels without tensor cores
constexpr int32_t kMaxTensorHeadSize = 128;  // of those with

// What holds for every GPU kernel.
absl::Status CheckCommon(const AttentionSpec& spec) {
  if (spec.head_size < 1 || spec.head_size > kMaxHeadSize) {
    return absl::UnimplementedError(
        absl::StrCat("head_size ", spec.head_size, " is not in 1 to ", kMaxHeadSize));
  }
  if (spec.num_kv_heads < 1 || spec.num_heads % spec.num_kv_heads != 0) {
    return absl::UnimplementedError(absl::StrCat(
        "num_heads ", spec.num_heads, " is no multiple of num_kv_heads ", spec.num_kv_heads));
  }
  if (spec.type == AttentionType::kEncoderOnly) return absl::OkStatus();
  if (spec.block_size < 1) {
    return absl::UnimplementedError(absl::StrCat("block_size ", spec.block_size));
  }
  if (spec.kv_cache_dtype != spec.dtype) {
    return absl::UnimplementedError(absl::StrCat("kv_cache_dtype ",
                                                 kernels::Name(spec.kv_cache_dtype),
                                                 " is not the dtype, ", kernels::Name(spec.dtype)));
  }
  return absl::OkStatus();
}

class CudaScalarBackend final : public AttentionBackend {
 public:
  std::string_view name() const override { return "cuda_scalar"; }
  kernels::AttentionKernel kernel() const override { return kernels::AttentionKernel::kCudaScalar; }
  absl::Status Supports(const AttentionSpec& spec) const override { return CheckCommon(spec); }
};

class CudaBackend final : public AttentionBackend {
 public:
  std::string_view name() const override { return "cuda"; }
  kernels::AttentionKernel kernel() const override { return kernels::AttentionKernel::kCuda; }
  absl::Status Supports(const AttentionSpec& spec) const override {
    const int32_t multiple = 16 / static_cast<int32_t>(kernels::SizeOf(spec.dtype));
    if (spec.head_size % multiple != 0) {
      return absl::UnimplementedError(
          absl::StrCat("head_size ", spec.head_size, " is no multiple of ", multiple));
    }
    return CheckCommon(spec);
  }
};

class CudaTensorBackend final : public AttentionBackend {
 public:
  std::string_view name() const override { return "cuda_tensor"; }
  kernels::AttentionKernel kernel() const override { return kernels::AttentionKernel::kCudaTensor; }
  absl::Status Supports(const AttentionSpec& spec) const override {
    if (spec.dtype == kernels::DataType::kFloat32) {
      return absl::UnimplementedError("dtype float32: tensor cores would round it");
    }
    if (spec.head_size % 8 != 0 || spec.head_size > kMaxTensorHeadSize) {
      return absl::UnimplementedError(absl::StrCat(
          "head_size ", spec.head_size, " is no multiple of 8 up to ", kMaxTensorHeadSize));
    }
    return CheckCommon(spec);
  }
};

}  // namespace

absl::Span<const AttentionBackend* const> CudaAttentionBackends() {
  static const CudaTensorBackend tensor;
  static const CudaBackend vectorised;
  static const CudaScalarBackend scalar;
  static const std::array<const AttentionBackend*, 3> backends = {&tensor, &vectorised, &scalar};
  return backends;
}

}  // namespace transept
