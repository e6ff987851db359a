// Relative position biases spread out by distance, made once for each table.
#pragma once

#include <vector>

#include "kernels/cuda/bias.h"
#include "kernels/cuda/device.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// Finding a bucket takes a logarithm, which would cost more than the attention that uses it.
class BiasTables {
 public:
  // `device` must outlive this object. Errors go to it.
  explicit BiasTables(Device* device) : device_(*device) {}
  ~BiasTables();

  BiasTables(const BiasTables&) = delete;
  BiasTables& operator=(const BiasTables&) = delete;

  // Makes the table of `bias`, whose contents must be on the device by now. Waits for the device.
  void Prepare(const RelativeBias& bias, int32_t num_heads);

  // The table that Prepare made; none for no bias.
  BiasByDistance Get(const RelativeBias& bias) const;

 private:
  struct Entry {
    RelativeBias bias;
    BiasByDistance by_distance;
  };
  const Entry* Find(const RelativeBias& bias) const;

  Device& device_;
  std::vector<Entry> entries_;
};

}  // namespace transept::kernels::cuda
