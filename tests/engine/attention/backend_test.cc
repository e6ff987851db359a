#include "engine/attention/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace transept {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
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

std::string CudaBackendFor(AttentionType type, kernels::DataType dtype, int32_t head_size) {
  AttentionSpec spec = CrossSpec();
  spec.type = type;
  spec.dtype = spec.kv_cache_dtype = dtype;
  spec.head_size = head_size;
  const auto backend = SelectBackend(spec, Device::kCuda);
  return backend.ok() ? std::string((*backend)->name()) : std::string(backend.status().message());
}

TEST(SelectBackend, CudaTakesTensorCoresWhereTheyServe) {
  using kernels::DataType;
  for (const auto type :
       {AttentionType::kEncoderOnly, AttentionType::kDecoder, AttentionType::kEncoderDecoder}) {
    EXPECT_EQ(CudaBackendFor(type, DataType::kBFloat16, 64), "cuda_tensor");
    EXPECT_EQ(CudaBackendFor(type, DataType::kFloat16, 128), "cuda_tensor");
    EXPECT_EQ(CudaBackendFor(type, DataType::kBFloat16, 136), "cuda");
    EXPECT_EQ(CudaBackendFor(type, DataType::kFloat32, 64), "cuda");
  }
  for (const auto type : {AttentionType::kDecoder, AttentionType::kEncoderDecoder}) {
    EXPECT_EQ(CudaBackendFor(type, DataType::kBFloat16, 20), "cuda_scalar");
    EXPECT_EQ(CudaBackendFor(type, DataType::kFloat32, 20), "cuda");
    EXPECT_THAT(CudaBackendFor(type, DataType::kFloat32, 264), HasSubstr("head_size 264"));
  }
}

TEST(SelectBackend, SaysWhyBetterBackendsArePassedOver) {
  AttentionSpec spec = CrossSpec();
  spec.dtype = spec.kv_cache_dtype = kernels::DataType::kBFloat16;
  const auto passed_over = [&spec](std::string_view name) {
    std::set<std::string> reasons;
    EXPECT_TRUE(SelectBackend(spec, Device::kCuda, name, &reasons).ok());
    return reasons;
  };
  EXPECT_THAT(passed_over("auto"), ElementsAre());
  spec.head_size = 20;
  EXPECT_THAT(passed_over("auto"),
              ElementsAre("cuda: head_size 20 is no multiple of 8",
                          "cuda_tensor: head_size 20 is no multiple of 8 up to 128"));
  EXPECT_THAT(passed_over("cuda_scalar"), ElementsAre()) << "nothing else was asked for";
}

TEST(SelectBackend, CudaWantsPagesOfTheComputeType) {
  AttentionSpec spec = CrossSpec();
  spec.dtype = kernels::DataType::kBFloat16;
  EXPECT_THAT(std::string(SelectBackend(spec, Device::kCuda).status().message()),
              HasSubstr("kv_cache_dtype float32"));
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
