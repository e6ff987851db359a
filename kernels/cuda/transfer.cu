#include "kernels/cuda/transfer.h"

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/launch.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 32;

// Grid: some blocks.
__global__ void __launch_bounds__(kThreads) CopyWords(const Transfer transfer) {
  LetSuccessorStart();
  WaitForPredecessor();
  const auto* const from = static_cast<const uint32_t*>(transfer.from);
  auto* const to = static_cast<uint32_t*>(transfer.to);
  const auto words = static_cast<int64_t>(transfer.bytes / sizeof(uint32_t));
#pragma unroll 4
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < words;
       i += int64_t{gridDim.x} * kThreads) {
    to[i] = from[i];
  }
}

}  // namespace

void RunTransfer(const Transfer& transfer, Device& device) {
  const auto words = static_cast<int64_t>(transfer.bytes / sizeof(uint32_t));
  const int64_t blocks = std::min((words + kThreads - 1) / kThreads, kMostBlocks);
  Launch(device, "copying between host and device", {dim3(static_cast<unsigned>(blocks)), kThreads},
         CopyWords, transfer);
}

}  // namespace transept::kernels::cuda
