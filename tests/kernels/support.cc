#include "tests/kernels/support.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "kernels/cpu/simd/targets.h"
#include "kernels/float16.h"

#include "hwy/highway.h"

namespace transept::kernels::cpu {
namespace {

constexpr float kGuard = 12345.0f;

// Divides by √cols, so that products have units of the operands.
std::vector<float> Scaled(std::vector<float> values, int64_t cols) {
  for (float& value : values) value /= std::sqrt(static_cast<float>(cols));
  return values;
}

}  // namespace

const Tolerance& ToleranceOf(DataType dtype) {
  return *std::find_if(std::begin(kTolerances), std::end(kTolerances),
                       [=](const Tolerance& t) { return t.dtype == dtype; });
}

std::vector<float> RandomFloats(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random() >> 40) * 0x1p-23f - 1.0f;
  return values;
}

Elements::Elements(const std::vector<float>& values, DataType dtype)
    : dtype_(dtype), bytes_(values.size() * SizeOf(dtype)) {
  for (size_t i = 0; i < values.size(); ++i) StoreElement(bytes_.data(), dtype, i, values[i]);
}

std::vector<float> Elements::ToFloats() const {
  std::vector<float> floats(bytes_.size() / SizeOf(dtype_));
  for (size_t i = 0; i < floats.size(); ++i) floats[i] = LoadElement(bytes_.data(), dtype_, i);
  return floats;
}

Weights::Weights(int64_t rows, int64_t cols, DataType dtype, uint64_t seed)
    : rows_(rows), cols_(cols), elements_(Scaled(RandomFloats(rows * cols, seed), cols), dtype) {}

Buffer::Buffer(int64_t rows, int64_t width, uint64_t seed, Extent extent)
    : rows_(rows), width_(width), extent_(extent), floats_(rows * stride_, kGuard) {
  const std::vector<float> values = RandomFloats(rows * width, seed);
  for (int64_t row = 0; row < rows; ++row) {
    std::copy_n(values.data() + row * width, width, floats_.data() + row * stride_);
  }
}

std::vector<float> Buffer::values() const {
  std::vector<float> values;
  for (int64_t row = 0; row < rows_; ++row) {
    const float* begin = floats_.data() + row * stride_;
    values.insert(values.end(), begin, begin + width_);
  }
  return values;
}

bool Buffer::GuardsIntact() const {
  for (int64_t row = 0; row < rows_; ++row) {
    for (int64_t i = width_; i < stride_; ++i) {
      if (floats_[row * stride_ + i] != kGuard) return false;
    }
  }
  return true;
}

Pages::Pages(int64_t num_blocks, int32_t block_size, const AttentionShape& shape, DataType dtype,
             uint64_t seed)
    : shape_{nullptr, nullptr, dtype, num_blocks, block_size, shape.num_kv_heads, shape.head_size},
      keys_(RandomFloats(num_blocks * block_size * shape.num_kv_heads * shape.head_size, seed),
            dtype),
      values_(
          RandomFloats(num_blocks * block_size * shape.num_kv_heads * shape.head_size, seed + 1),
          dtype) {}

PagedKv Pages::view() {
  PagedKv view = shape_;
  view.keys = keys_.data();
  view.values = values_.data();
  return view;
}

BlockTables::BlockTables(const std::vector<int32_t>& lengths, int32_t block_size,
                         int32_t first_block, uint64_t seed)
    : end_block(first_block) {
  const auto blocks_of = [&](int32_t length) { return (length + block_size - 1) / block_size; };
  for (int32_t length : lengths) {
    end_block += blocks_of(length);
    stride = std::max<int64_t>(stride, blocks_of(length));
  }
  std::vector<int32_t> free(end_block - first_block);
  std::iota(free.begin(), free.end(), first_block);
  std::shuffle(free.begin(), free.end(), std::mt19937_64(seed));
  blocks.assign(lengths.size() * stride, -1);
  auto next = free.begin();
  for (size_t row = 0; row < lengths.size(); ++row) {
    for (int32_t i = 0; i < blocks_of(lengths[row]); ++i) blocks[row * stride + i] = *next++;
  }
}

std::vector<int32_t> OffsetsOf(const std::vector<int32_t>& lengths) {
  std::vector<int32_t> offsets(lengths.size() + 1);
  std::partial_sum(lengths.begin(), lengths.end(), offsets.begin() + 1);
  return offsets;
}

void ExpectNear(const std::vector<float>& actual, const std::vector<float>& expected,
                float tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    if (actual[i] == expected[i]) continue;  // infinities have no difference
    ASSERT_NEAR(actual[i], expected[i], tolerance * std::max(1.0f, std::abs(expected[i])))
        << "at element " << i;
  }
}

std::vector<int64_t> Targets() {
  return hwy::SupportedAndGeneratedTargets();
}

ScopedTarget::ScopedTarget(int64_t target) {
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

ScopedTarget::~ScopedTarget() {
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

std::vector<Path> AllPaths() {
  std::vector<Path> paths;
  for (const Tolerance& tolerance : kTolerances) {
    for (const int64_t target : Targets()) {
      paths.push_back({tolerance.dtype, target});
    }
  }
  return paths;
}

std::string NameOf(const testing::TestParamInfo<Path>& info) {
  return std::string(Name(info.param.dtype)).append("_").append(hwy::TargetName(info.param.target));
}

}  // namespace transept::kernels::cpu
