// What the CPU operations work with besides their parameters: threads, scratch memory, tables. All
// of it grows to the largest step seen and is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "kernels/cpu/simd/attend.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/operation.h"

namespace transept::kernels::cpu {

// Grow-only, cache-aligned scratch memory. Its contents are lost when it grows.
class FloatBuffer {
 public:
  // At least `count` floats, not initialised.
  float* Get(size_t count) {
    if (count > size_) {
      data_.reset(static_cast<float*>(::operator new[](count * sizeof(float), kAlignment)));
      size_ = count;
    }
    return data_.get();
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(float* data) const { ::operator delete[](data, kAlignment); }
  };

  std::unique_ptr<float[], Delete> data_;
  size_t size_ = 0;
};

// What one thread of the pool uses within an operation. On cache lines of its own.
struct alignas(64) WorkerScratch {
  FloatBuffer product;
  FloatBuffer panels;
  FloatBuffer scales;
  FloatBuffer queries;
  FloatBuffer scores;
  FloatBuffer bias;
  std::vector<KeyRange> ranges;
};

// RelativeBucket tabulated: its logarithm would cost more than the attention that uses it.
class BucketTables {
 public:
  // Entry d of the result, -reach <= d <= reach, is the bucket of distance d. Valid until the next
  // call.
  const int32_t* Get(const RelativeBias& bias, int64_t reach);

 private:
  struct Table {
    int32_t num_buckets;
    int32_t max_distance;
    bool bidirectional;
    int64_t reach;
    std::vector<int32_t> buckets;  // [2 * reach + 1]
  };
  std::vector<Table> tables_;
};

struct Resources {
  explicit Resources(ThreadPool* threads) : pool(*threads), scratch(threads->size()) {}

  ThreadPool& pool;
  std::vector<WorkerScratch> scratch;  // [pool.size()]
  BucketTables buckets;
};

}  // namespace transept::kernels::cpu
