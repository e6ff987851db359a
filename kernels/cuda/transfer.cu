#include "kernels/cuda/transfer.h"

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/launch.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 32;
constexpr int kAtOnce = 4;  // words of a thread

// A transfer's words: those of `from`, then those of the tables.
__host__ __device__ int64_t WordsOf(const TableTransfer& table) {
  return int64_t{table.rows} * table.columns;
}
__host__ __device__ int64_t WordsOf(const Transfer& transfer) {
  int64_t words = transfer.bytes / sizeof(uint32_t);
  for (const TableTransfer& table : transfer.tables) words += WordsOf(table);
  return words;
}

struct WordTransfer {
  int32_t* to;
  const int32_t* from;
};

__device__ WordTransfer WordOf(const Transfer& transfer, int64_t i) {
  const int64_t words = transfer.bytes / sizeof(uint32_t);
  if (i < words) {
    return {static_cast<int32_t*>(transfer.to) + i, static_cast<const int32_t*>(transfer.from) + i};
  }
  i -= words;
  const bool second = i >= WordsOf(transfer.tables[0]);
  if (second) i -= WordsOf(transfer.tables[0]);
  const TableTransfer& table = transfer.tables[second];
  const int row = static_cast<int>(i) / table.columns;
  return {table.to + row * table.stride + (i - int64_t{row} * table.columns), table.from + i};
}

// Grid: some blocks. A thread has its loads, of the host's memory maybe, on their way together.
__global__ void __launch_bounds__(kThreads) CopyWords(const Transfer transfer) {
  LetSuccessorStart();
  WaitForPredecessor();
  const int64_t words = WordsOf(transfer);
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t first = int64_t{blockIdx.x} * kThreads + threadIdx.x; first < words;
       first += kAtOnce * step) {
    WordTransfer word[kAtOnce];
    int32_t value[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      if (first + i * step >= words) continue;
      word[i] = WordOf(transfer, first + i * step);
      value[i] = *word[i].from;
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      if (first + i * step < words) *word[i].to = value[i];
    }
  }
}

}  // namespace

void RunTransfer(const Transfer& transfer, Device& device) {
  const int64_t blocks = std::min((WordsOf(transfer) + kThreads - 1) / kThreads, kMostBlocks);
  Launch(device, "copying between host and device", {dim3(static_cast<unsigned>(blocks)), kThreads},
         CopyWords, transfer);
}

}  // namespace transept::kernels::cuda
