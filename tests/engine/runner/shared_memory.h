// Memory that the host and the GPU see alike.
#pragma once

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace transept {

// An array of it.
template <typename T>
class Shared {
 public:
  explicit Shared(size_t size) : size_(size) {
    EXPECT_EQ(cudaMallocManaged(&data_, size * sizeof(T)), cudaSuccess);
  }
  Shared(const std::vector<T>& values) : Shared(values.size()) {
    std::copy(values.begin(), values.end(), data_);
  }
  ~Shared() { cudaFree(data_); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;

  T* data() { return data_; }
  T& operator[](size_t i) { return data_[i]; }

 private:
  const size_t size_;
  T* data_ = nullptr;
};

}  // namespace transept
