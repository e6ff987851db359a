#include "tests/kernels/cuda/gpu.h"

#include <algorithm>
#include <cmath>

#include "kernels/float16.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cuda {
namespace {

constexpr float kGuard = 12288.0f;  // exact in every type
constexpr size_t kMemory = size_t{2} << 30;

}  // namespace

std::vector<float> Rounded(std::vector<float> values, DataType dtype) {
  char element[sizeof(float)];
  for (float& value : values) {
    StoreElement(element, dtype, 0, value);
    value = LoadElement(element, dtype, 0);
  }
  return values;
}

void GpuTest::SetUp() {
  std::string error;
  std::unique_ptr<Device> device = Device::Open(&error);
  ASSERT_NE(device, nullptr) << error;
  memory_ = std::make_unique<DeviceMemory>(std::move(device), kMemory);
  executor_ = std::make_unique<Executor>(memory_->device());
}

void GpuTest::TearDown() {
  executor_.reset();
  if (memory_ == nullptr) return;
  EXPECT_TRUE(device().ok()) << device().error();
}

float GpuTest::tolerance() const {
  return std::find_if(std::begin(kTolerances), std::end(kTolerances),
                      [this](const Tolerance& t) { return t.dtype == dtype(); })
      ->value;
}

void* GpuTest::UploadBytes(const void* data, size_t bytes) {
  void* to = memory_->Allocate(bytes);
  if (bytes > 0) memory_->Copy(to, data, bytes);
  return to;
}

void* GpuTest::UploadAs(const std::vector<float>& values, DataType dtype) {
  std::vector<char> elements(values.size() * SizeOf(dtype));
  for (size_t i = 0; i < values.size(); ++i) StoreElement(elements.data(), dtype, i, values[i]);
  return Upload(elements);
}

Tensor GpuTest::MakeTensor(int64_t rows, int64_t width, DataType dtype, uint64_t seed,
                           Extent extent) {
  const int64_t stride = (width + 15) / 8 * 8;
  Tensor tensor{Rounded(cpu::RandomFloats(rows * width, seed), dtype), rows, width, {}};
  std::vector<float> padded(rows * stride, kGuard);
  for (int64_t row = 0; row < rows; ++row) {
    std::copy_n(tensor.values.data() + row * width, width, padded.data() + row * stride);
  }
  tensor.device = {UploadAs(padded, dtype), dtype, width, stride, extent};
  return tensor;
}

Weight GpuTest::MakeWeight(int64_t rows, int64_t cols, uint64_t seed) {
  std::vector<float> values = cpu::RandomFloats(rows * cols, seed);
  for (float& value : values) value /= std::sqrt(static_cast<float>(cols));
  Weight weight{Rounded(std::move(values), dtype()), {}};
  weight.device = {UploadAs(weight.values, dtype()), dtype(), rows, cols};
  return weight;
}

std::vector<float> GpuTest::Download(const void* data, int64_t count, DataType dtype) {
  std::vector<char> elements(count * SizeOf(dtype));
  device().Check(cudaMemcpy(elements.data(), data, elements.size(), cudaMemcpyDeviceToHost),
                 "reading a result");
  std::vector<float> values(count);
  for (int64_t i = 0; i < count; ++i) values[i] = LoadElement(elements.data(), dtype, i);
  return values;
}

std::vector<float> GpuTest::Read(const Tensor& tensor) {
  const int64_t stride = tensor.device.stride;
  const std::vector<float> padded =
      Download(tensor.device.data, tensor.rows * stride, tensor.device.dtype);
  std::vector<float> values;
  for (int64_t row = 0; row < tensor.rows; ++row) {
    const auto begin = padded.begin() + row * stride;
    values.insert(values.end(), begin, begin + tensor.width);
    EXPECT_TRUE(std::all_of(begin + tensor.width, begin + stride,
                            [](float value) { return value == kGuard; }))
        << "something was written behind row " << row;
  }
  return values;
}

void GpuTest::Finish() {
  memory_->Flush();
  ASSERT_TRUE(device().ok()) << device().error();
}

EncoderInputs GpuTest::ToDevice(const EncoderInputs& host) {
  EncoderInputs inputs = host;
  inputs.token_ids = Copy(host.token_ids, host.num_tokens);
  inputs.positions = Copy(host.positions, host.num_tokens);
  inputs.offsets = Copy(host.offsets, host.num_sources + 1);
  inputs.cross_slots = Copy(host.cross_slots, host.num_tokens);
  memory_->Flush();
  return inputs;
}

DecoderInputs GpuTest::ToDevice(const DecoderInputs& host) {
  DecoderInputs inputs = host;
  inputs.token_ids = Copy(host.token_ids, host.num_tokens);
  inputs.positions = Copy(host.positions, host.num_tokens);
  inputs.query_offsets = Copy(host.query_offsets, host.num_rows + 1);
  inputs.self_slots = Copy(host.self_slots, host.num_tokens);
  inputs.block_tables = Copy(host.block_tables, host.num_rows * host.block_table_stride);
  if (host.ancestry != nullptr) {  // as many slots as rows
    inputs.ancestry = Copy(host.ancestry, host.num_rows * host.ancestry_stride);
    inputs.beam_slots = Copy(host.beam_slots, host.num_rows);
  }
  inputs.source_offsets = Copy(host.source_offsets, host.num_sources + 1);
  inputs.cross_block_tables =
      Copy(host.cross_block_tables, host.num_sources * host.cross_block_table_stride);
  inputs.cross_lengths = Copy(host.cross_lengths, host.num_sources);
  memory_->Flush();
  return inputs;
}

std::string NameOf(const testing::TestParamInfo<DataType>& info) {
  return Name(info.param);
}

}  // namespace transept::kernels::cuda
