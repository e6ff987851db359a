// The encoder's output, several sources packed into one step.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "engine/checkpoint/checkpoint.h"
#include "engine/model/model.h"
#include "engine/runner/cpu_runner.h"
#include "kernels/cpu/host_memory.h"
#include "tests/engine/golden/golden_variant.h"

namespace transept {
namespace {

class EncoderGoldenTest : public ::testing::TestWithParam<std::string> {};

ModelOptions Options() {
  ModelOptions options;
  options.max_encoder_tokens = 512;
  options.max_decoder_tokens = 8;
  options.max_rows = 8;
  options.block_size = 16;
  options.num_blocks = 64;
  return options;
}

TEST_P(EncoderGoldenTest, AgreesWithTransformers) {
  const GoldenVariant golden = LoadGoldenVariant(GetParam());
  const auto checkpoint = Checkpoint::Open(golden.folder);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  kernels::cpu::HostMemory memory(size_t{1} << 30);
  const auto model = Model::Load(**checkpoint, Options(), &memory);
  ASSERT_TRUE(model.ok()) << model.status();
  CpuRunner runner(model->get(), 2);

  StepPlan plan;
  std::vector<BlockId> blocks(Options().num_blocks);
  std::iota(blocks.begin(), blocks.end(), 0);
  size_t used = 0;
  for (const GoldenEncoding& encoding : golden.encodings) {
    const size_t count = (encoding.source.size() + 15) / 16;
    plan.encode.push_back({encoding.source, absl::MakeConstSpan(blocks).subspan(used, count)});
    used += count;
  }
  const auto ticket = runner.Launch(plan);
  ASSERT_TRUE(ticket.ok()) << ticket.status();

  const kernels::Activations& output = (*model)->encoder_output();
  ASSERT_EQ(output.dtype, kernels::DataType::kFloat32);
  const float* first_row = static_cast<const float*>(output.data);
  for (const GoldenEncoding& encoding : golden.encodings) {
    SCOPED_TRACE(encoding.source.size());
    for (const auto& [row, expected] : encoding.rows) {
      ASSERT_EQ(static_cast<int64_t>(expected.size()), output.width);
      for (size_t i = 0; i < expected.size(); ++i) {
        const float value = first_row[row * output.stride + i];
        ASSERT_NEAR(value, expected[i], 1e-4 * std::max(1.0f, std::abs(expected[i])))
            << "row " << row << " feature " << i;
      }
    }
    double sum = 0.0;
    double squares = 0.0;
    const size_t length = encoding.source.size();
    for (size_t row = 0; row < length; ++row) {
      for (int64_t i = 0; i < output.width; ++i) {
        const double value = first_row[row * output.stride + i];
        sum += value;
        squares += value * value;
      }
    }
    const double count = static_cast<double>(length) * output.width;
    EXPECT_NEAR(sum / count, encoding.mean, 1e-5);
    EXPECT_NEAR(std::sqrt(squares / count), encoding.rms, 1e-5);
    first_row += length * output.stride;
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, EncoderGoldenTest, ::testing::ValuesIn(GoldenVariantNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace transept
