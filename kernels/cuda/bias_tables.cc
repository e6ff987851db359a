#include "kernels/cuda/bias_tables.h"

#include <algorithm>

#include "kernels/relative_bucket.h"

namespace transept::kernels::cuda {

BiasTables::~BiasTables() {
  for (const Entry& entry : entries_) cudaFree(const_cast<float*>(entry.by_distance.values));
}

const BiasTables::Entry* BiasTables::Find(const RelativeBias& bias) const {
  const auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) {
    return e.bias.table == bias.table && e.bias.num_buckets == bias.num_buckets &&
           e.bias.max_distance == bias.max_distance && e.bias.bidirectional == bias.bidirectional;
  });
  return entry == entries_.end() ? nullptr : &*entry;
}

void BiasTables::Prepare(const RelativeBias& bias, int32_t num_heads) {
  if (bias.table == nullptr || Find(bias) != nullptr) return;
  std::vector<float> table(static_cast<size_t>(bias.num_buckets) * num_heads);
  device_.Check(
      cudaMemcpy(table.data(), bias.table, table.size() * sizeof(float), cudaMemcpyDeviceToHost),
      "reading a bias table");
  const int32_t reach = bias.max_distance;
  const int64_t width = 2 * int64_t{reach} + 1;
  std::vector<float> values(num_heads * width);
  for (int64_t i = 0; i < width; ++i) {
    const int32_t bucket =
        RelativeBucket(i - reach, bias.num_buckets, bias.max_distance, bias.bidirectional);
    for (int64_t head = 0; head < num_heads; ++head) {
      values[head * width + i] = table[bucket * num_heads + head];
    }
  }
  float* data = nullptr;
  const size_t bytes = values.size() * sizeof(float);
  if (device_.Check(cudaMalloc(&data, bytes), "allocating a bias table")) {
    device_.Check(cudaMemcpy(data, values.data(), bytes, cudaMemcpyHostToDevice),
                  "writing a bias table");
  }
  entries_.push_back({bias, {data, reach}});
}

BiasByDistance BiasTables::Get(const RelativeBias& bias) const {
  const Entry* entry = bias.table ? Find(bias) : nullptr;
  return entry ? entry->by_distance : BiasByDistance{};
}

}  // namespace transept::kernels::cuda
