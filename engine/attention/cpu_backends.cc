#include "engine/attention/cpu_backends.h"

#include <array>

#include "absl/strings/str_cat.h"

namespace transept {
namespace {

// What holds for every CPU kernel.
absl::Status CheckCommon(const AttentionSpec& spec) {
  if (spec.dtype != kernels::DataType::kFloat32) {
    return absl::UnimplementedError(
        absl::StrCat("dtype ", kernels::Name(spec.dtype), " (the CPU computes in float32)"));
  }
  if (spec.head_size < 1) {
    return absl::UnimplementedError(absl::StrCat("head_size ", spec.head_size));
  }
  if (spec.num_kv_heads < 1 || spec.num_heads % spec.num_kv_heads != 0) {
    return absl::UnimplementedError(absl::StrCat(
        "num_heads ", spec.num_heads, " is no multiple of num_kv_heads ", spec.num_kv_heads));
  }
  if (spec.type != AttentionType::kEncoderOnly && spec.block_size < 1) {
    return absl::UnimplementedError(absl::StrCat("block_size ", spec.block_size));
  }
  return absl::OkStatus();
}

class CpuSimdBackend final : public AttentionBackend {
 public:
  std::string_view name() const override { return "cpu_simd"; }
  kernels::AttentionKernel kernel() const override { return kernels::AttentionKernel::kSimd; }
  absl::Status Supports(const AttentionSpec& spec) const override { return CheckCommon(spec); }
};

class CpuReferenceBackend final : public AttentionBackend {
 public:
  std::string_view name() const override { return "cpu_reference"; }
  kernels::AttentionKernel kernel() const override { return kernels::AttentionKernel::kReference; }
  absl::Status Supports(const AttentionSpec& spec) const override { return CheckCommon(spec); }
};

}  // namespace

absl::Span<const AttentionBackend* const> CpuAttentionBackends() {
  static const CpuSimdBackend simd;
  static const CpuReferenceBackend reference;
  static const std::array<const AttentionBackend*, 2> backends = {&simd, &reference};
  return backends;
}

}  // namespace transept
