// Whether products of few rows can be launched on GPUs of other sizes than those at hand: their
// blocks must not ask for more shared memory than there is.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "kernels/cuda/skinny.h"
#include "tests/support/fake_cuda.h"

namespace transept::kernels::cuda {
namespace {

constexpr int kMultiprocessors[] = {16, 20, 24, 30, 46, 68, 84, 108, 132, 148, 170, 188};
// What a block may have where it may have least, without the static arrays that any kernel has.
constexpr size_t kSharedBytes = (99 << 10) - 2048;
constexpr int64_t kRows[] = {1, 16, 17, 32, 33, 64, 65, 128, 256, 512};
constexpr int64_t kWidths[] = {128, 384, 512, 768, 1024, 1344, 1472, 1536, 2048, 4096};

FusedProduct ProductOf(int64_t features, int64_t depth, int64_t rows) {
  FusedProduct product;
  product.weight = {nullptr, DataType::kBFloat16, features, depth};
  product.in.dtype = product.out.dtype = DataType::kBFloat16;
  product.in.stride = depth;
  product.rows = rows;
  return product;
}

// Products that take a norm in the most parts in which any product may leave it, and the launch of
// each.
void ExpectFit(int64_t width, int64_t rows, Device& device) {
  int32_t parts = 1;
  for (const int64_t depth : {width / 2, width, 4 * width}) {
    parts = std::max(parts, SkinnyParts(ProductOf(width, depth, rows), device));
  }
  ASSERT_LE(parts, kMaxParts);
  const float weight = 1.0f;
  for (const bool gated : {false, true}) {
    for (const int64_t times : {1, 2, 3, 4, 6, 8}) {
      if (times * width > kMaxSkinnyFeatures) continue;
      FusedProduct product = ProductOf(times * width, width, rows);
      product.gated = gated;
      product.norm_before.weight = &weight;
      product.norm_before.parts = parts;
      if (!SkinnySupports(product)) continue;
      RunSkinny(product, device);
      ASSERT_TRUE(device.ok()) << device.error() << ": " << rows << " rows, " << times * width
                               << " x " << width << ", " << parts << " parts"
                               << (gated ? ", gated" : "");
    }
  }
}

TEST(CudaFit, ProductsOfFewRowsFitIntoTheSmallestGpus) {
  for (const int processors : kMultiprocessors) {
    SCOPED_TRACE(testing::Message() << processors << " multiprocessors");
    fake_cuda::Reset(size_t{8} << 30, kSharedBytes, processors);
    std::string error;
    const std::unique_ptr<Device> device = Device::Open(&error);
    ASSERT_NE(device, nullptr) << error;
    for (const int64_t width : kWidths) {
      for (const int64_t rows : kRows) {
        ExpectFit(width, rows, *device);
        if (HasFatalFailure()) return;
      }
    }
  }
}

}  // namespace
}  // namespace transept::kernels::cuda
