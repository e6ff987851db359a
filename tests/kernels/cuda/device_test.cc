// CUDA without a GPU: tests that do not ask for one see none (cmake/transept.cmake).
#include "kernels/cuda/device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace transept::kernels::cuda {
namespace {

TEST(CudaDevice, SaysWhyThereIsNone) {
  std::string error;
  EXPECT_EQ(Device::Open(&error), nullptr);
  EXPECT_THAT(error, testing::StartsWith("looking for a GPU: "));
}

}  // namespace
}  // namespace transept::kernels::cuda
