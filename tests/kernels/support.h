// Operands for the kernel tests: random, ragged, with guards around what an operation may write.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cpu/executor.h"
#include "kernels/operation.h"

namespace transept::kernels::cpu {

// Allowed difference from the reference, relative to the larger of 1 and the expected value: what
// float32 sums in another order may differ by, and what the rounding of a stored K/V element adds.
struct Tolerance {
  DataType dtype;
  float computed;
  float stored;
};
inline constexpr Tolerance kTolerances[] = {
    {DataType::kFloat32, 2e-5f, 2e-5f},
    {DataType::kBFloat16, 2e-5f, 8e-3f},
    {DataType::kFloat16, 2e-5f, 1e-3f},
};
const Tolerance& ToleranceOf(DataType dtype);

// Uniform in [-1, 1).
std::vector<float> RandomFloats(size_t count, uint64_t seed);

// Elements of any dtype.
class Elements {
 public:
  // Converts from `values`.
  Elements(const std::vector<float>& values, DataType dtype);

  void* data() { return bytes_.data(); }
  DataType dtype() const { return dtype_; }
  std::vector<float> ToFloats() const;

 private:
  DataType dtype_;
  std::vector<char> bytes_;
};

// A random weight matrix with elements up to 1 / √cols.
class Weights {
 public:
  Weights(int64_t rows, int64_t cols, DataType dtype, uint64_t seed);
  Matrix matrix() { return {elements_.data(), elements_.dtype(), rows_, cols_}; }

 private:
  int64_t rows_;
  int64_t cols_;
  Elements elements_;
};

// An activation buffer of random values whose rows lie further apart than they are wide.
class Buffer {
 public:
  Buffer(int64_t rows, int64_t width, uint64_t seed, Extent extent = Extent::kTokens);

  Activations view() { return {floats_.data(), DataType::kFloat32, width_, stride_, extent_}; }
  // [rows * width]
  std::vector<float> values() const;
  // Whether nothing was written between the rows.
  bool GuardsIntact() const;

 private:
  static constexpr int64_t kGap = 5;
  int64_t rows_;
  int64_t width_;
  int64_t stride_ = width_ + kGap;
  Extent extent_;
  std::vector<float> floats_;
};

// A paged cache of random contents.
class Pages {
 public:
  Pages(int64_t num_blocks, int32_t block_size, const AttentionShape& shape, DataType dtype,
        uint64_t seed);
  PagedKv view();
  std::vector<float> keys() const { return keys_.ToFloats(); }
  std::vector<float> values() const { return values_.ToFloats(); }

 private:
  PagedKv shape_;
  Elements keys_;
  Elements values_;
};

// Random distinct blocks for every row, enough for row i to hold lengths[i] positions. Blocks are
// numbered from `first_block`; the tables of `lengths` are padded with -1.
struct BlockTables {
  BlockTables(const std::vector<int32_t>& lengths, int32_t block_size, int32_t first_block,
              uint64_t seed);
  std::vector<int32_t> blocks;  // [lengths.size(), stride]
  int64_t stride = 0;
  int32_t end_block = 0;  // one more than the largest
};

// 0, lengths[0], lengths[0] + lengths[1], ...
std::vector<int32_t> OffsetsOf(const std::vector<int32_t>& lengths);

void ExpectNear(const std::vector<float>& actual, const std::vector<float>& expected,
                float tolerance);

// Every instruction set that the vector code is compiled for and this processor has.
std::vector<int64_t> Targets();

// Makes the vector code use `target` until the scope ends.
class ScopedTarget {
 public:
  explicit ScopedTarget(int64_t target);
  ~ScopedTarget();
};

// A way of running: element type of weights or pages, instruction set.
struct Path {
  DataType dtype;
  int64_t target;
};
std::vector<Path> AllPaths();
std::string NameOf(const testing::TestParamInfo<Path>& info);

// Runs operations on the path of its parameter.
class PathTest : public testing::TestWithParam<Path> {
 protected:
  DataType dtype() const { return GetParam().dtype; }
  const Tolerance& tolerance() const { return ToleranceOf(dtype()); }

  template <typename Inputs>
  void Execute(const Operation& operation, const Inputs& inputs) {
    Program program;
    program.operations.push_back(operation);
    executor_.Run(program, inputs);
  }

 private:
  ScopedTarget target_{GetParam().target};
  ThreadPool pool_{3};
  Executor executor_{&pool_};
};

}  // namespace transept::kernels::cpu
