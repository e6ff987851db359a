#include "kernels/cuda/transfer.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "tests/kernels/cuda/gpu.h"

namespace transept::kernels::cuda {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

// Words of any kind: here they are float32.
using TransferTest = GpuTest;

TEST_P(TransferTest, CopiesWords) {
  std::vector<float> values(70'001);  // more than its threads
  std::iota(values.begin(), values.end(), 1.0f);
  float* const to = Upload(std::vector<float>(values.size() + 1));
  RunTransfer({to, Upload(values), values.size() * sizeof(float)}, device());
  Finish();
  values.push_back(0);
  EXPECT_THAT(Download(to, values.size(), dtype()), ElementsAreArray(values));
}

TEST_P(TransferTest, LaysTheRowsOfTablesApart) {
  const auto* const first = reinterpret_cast<const int32_t*>(Upload<float>({1, 2, 3, 4, 5, 6}));
  const auto* const second = reinterpret_cast<const int32_t*>(Upload<float>({7, 8}));
  float* const a = Upload(std::vector<float>(8, -1));
  float* const b = Upload(std::vector<float>(4, -1));
  Transfer transfer;
  transfer.tables[0] = {reinterpret_cast<int32_t*>(a), first, 2, 3, 4};
  transfer.tables[1] = {reinterpret_cast<int32_t*>(b), second, 2, 1, 2};
  RunTransfer(transfer, device());
  Finish();
  EXPECT_THAT(Download(a, 8, dtype()), ElementsAre(1, 2, 3, -1, 4, 5, 6, -1));
  EXPECT_THAT(Download(b, 4, dtype()), ElementsAre(7, -1, 8, -1));
}

TEST_P(TransferTest, OfTablesThatAreLargerThanItsThreads) {
  constexpr int kRows = 300, kColumns = 111, kStride = 128;
  std::vector<float> values(kRows * kColumns);
  std::iota(values.begin(), values.end(), 1.0f);
  std::vector<float> expected(kRows * kStride);
  for (int row = 0; row < kRows; ++row) {
    std::copy_n(values.begin() + row * kColumns, kColumns, expected.begin() + row * kStride);
  }
  float* const to = Upload(std::vector<float>(expected.size()));
  Transfer transfer;
  transfer.tables[1] = {reinterpret_cast<int32_t*>(to),
                        reinterpret_cast<const int32_t*>(Upload(values)), kRows, kColumns, kStride};
  RunTransfer(transfer, device());
  Finish();
  EXPECT_THAT(Download(to, expected.size(), dtype()), ElementsAreArray(expected));
}

INSTANTIATE_TEST_SUITE_P(Words, TransferTest, testing::Values(DataType::kFloat32), NameOf);

}  // namespace
}  // namespace transept::kernels::cuda
