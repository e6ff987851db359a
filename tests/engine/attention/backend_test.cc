#include "engine/attention/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace transept {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

AttentionSpec CrossSpec() {
  return {.type = AttentionType::kEncoderDecoder,
          .head_size = 64,
          .num_heads = 12,
          .num_kv_heads = 12,
          .block_size = 16};
}

TEST(SelectBackend, TakesTheFirstThatSupportsTheSpec) {
  const auto backend = SelectBackend(CrossSpec(), Device::kCpu);
  ASSERT_TRUE(backend.ok()) << backend.status();
  EXPECT_EQ((*backend)->name(), "cpu_simd");
}

TEST(SelectBackend, OverrideNamesOneBackend) {
  const auto backend = SelectBackend(CrossSpec(), Device::kCpu, "cpu_reference");
  ASSERT_TRUE(backend.ok()) << backend.status();
  EXPECT_EQ((*backend)->name(), "cpu_reference");
  EXPECT_EQ((*backend)->kernel(), kernels::AttentionKernel::kReference);
}

TEST(SelectBackend, UnknownOverrideListsTheKnownOnes) {
  const absl::Status status = SelectBackend(CrossSpec(), Device::kCpu, "flash").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("'flash'"), HasSubstr("cpu_simd")));
}

TEST(SelectBackend, FailureGivesEveryReasonAndTheSpec) {
  AttentionSpec spec = CrossSpec();
  spec.num_kv_heads = 5;
  const absl::Status status = SelectBackend(spec, Device::kCpu).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("cpu_simd: num_heads 12 is no multiple of num_kv_heads 5"),
                    HasSubstr("cpu_reference: "), HasSubstr("type encoder_decoder")));
}

TEST(SelectBackend, CpuComputesInFloat32Only) {
  AttentionSpec spec = CrossSpec();
  spec.dtype = kernels::DataType::kBFloat16;
  EXPECT_THAT(std::string(SelectBackend(spec, Device::kCpu).status().message()),
              HasSubstr("dtype bfloat16"));
}

TEST(SelectBackend, SaysWhenADeviceHasNone) {
  EXPECT_THAT(std::string(SelectBackend(CrossSpec(), Device::kCuda).status().message()),
              AllOf(HasSubstr("device cuda"), HasSubstr("there is none")));
}

TEST(SelectBackend, PagedTypesNeedABlockSize) {
  AttentionSpec spec = CrossSpec();
  spec.block_size = 0;
  EXPECT_FALSE(SelectBackend(spec, Device::kCpu).ok());
  spec.type = AttentionType::kEncoderOnly;
  EXPECT_TRUE(SelectBackend(spec, Device::kCpu).ok());
}

}  // namespace
}  // namespace transept
