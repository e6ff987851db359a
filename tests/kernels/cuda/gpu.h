// A GPU for tests: operands that lie on the host in float32, for the reference, and on the device
// in the type under test, with equal values.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/executor.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// Allowed difference from the reference, relative to the larger of 1 and the expected value: sums
// in another order, and the rounding of results and of what lies between them.
struct Tolerance {
  DataType dtype;
  float value;
};
inline constexpr Tolerance kTolerances[] = {
    {DataType::kFloat32, 3e-5f},
    {DataType::kBFloat16, 2e-2f},
    {DataType::kFloat16, 2.5e-3f},
};

// `values` as `dtype` holds them.
std::vector<float> Rounded(std::vector<float> values, DataType dtype);

// Activations on both sides. On the device, rows lie further apart than they are wide.
struct Tensor {
  std::vector<float> values;  // [rows, width]
  int64_t rows = 0;
  int64_t width = 0;
  Activations device;

  // The host's copy, for the reference.
  Activations host() { return {values.data(), DataType::kFloat32, width, width, device.extent}; }
};

// A weight matrix on both sides.
struct Weight {
  std::vector<float> values;
  Matrix device;

  Matrix host() const { return {values.data(), DataType::kFloat32, device.rows, device.cols}; }
};

class GpuTest : public testing::TestWithParam<DataType> {
 protected:
  void SetUp() override;
  void TearDown() override;

  DataType dtype() const { return GetParam(); }
  float tolerance() const;
  Device& device() { return *memory_->device(); }

  // A copy on the device.
  template <typename T>
  T* Upload(const std::vector<T>& values) {
    return static_cast<T*>(UploadBytes(values.data(), values.size() * sizeof(T)));
  }
  void* UploadAs(const std::vector<float>& values, DataType dtype);
  Vector UploadVector(const std::vector<float>& values) {
    return {Upload(values), static_cast<int64_t>(values.size())};
  }

  // Random values.
  Tensor MakeTensor(int64_t rows, int64_t width, DataType dtype, uint64_t seed,
                    Extent extent = Extent::kTokens);
  Weight MakeWeight(int64_t rows, int64_t cols, uint64_t seed);

  std::vector<float> Download(const void* data, int64_t count, DataType dtype);
  // [rows * width] of the device's side; fails the test if something was written between the rows.
  std::vector<float> Read(const Tensor& tensor);

  template <typename Inputs>
  void Execute(const Operation& operation, const Inputs& inputs) {
    Execute(Program{.operations = {operation}}, inputs);
  }
  template <typename Inputs, typename... More>
  void Execute(const Program& program, const Inputs& inputs, More... more) {
    memory_->Flush();
    executor_->Prepare(program);
    executor_->Run(program, ToDevice(inputs), more...);
    Finish();
  }
  // Waits until the device has done everything; it must have had no error.
  void Finish();
  Executor& executor() { return *executor_; }
  // The same inputs with their arrays on the device.
  EncoderInputs ToDevice(const EncoderInputs& inputs);
  DecoderInputs ToDevice(const DecoderInputs& inputs);

 private:
  void* UploadBytes(const void* data, size_t bytes);
  template <typename T>
  const T* Copy(const T* data, int64_t count) {
    return data ? Upload(std::vector<T>(data, data + count)) : nullptr;
  }

  std::unique_ptr<DeviceMemory> memory_;
  std::unique_ptr<Executor> executor_;
};

std::string NameOf(const testing::TestParamInfo<DataType>& info);

}  // namespace transept::kernels::cuda
