#include "kernels/cuda/transfer.h"

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/launch.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 32;

struct Transfers {
  Transfer each[3];
};

// Grid: (some blocks, transfers).
__global__ void __launch_bounds__(kThreads) CopyWords(const Transfers transfers) {
  LetSuccessorStart();
  WaitForPredecessor();
  const Transfer& transfer = transfers.each[blockIdx.y];
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

void RunTransfers(const Transfer (&transfers)[3], Device& device) {
  Transfers all = {};
  unsigned count = 0;
  size_t most = 0;
  for (const Transfer& transfer : transfers) {
    if (transfer.bytes == 0) continue;
    all.each[count++] = transfer;
    most = std::max(most, transfer.bytes);
  }
  const auto blocks = static_cast<int64_t>((most / sizeof(uint32_t) + kThreads - 1) / kThreads);
  Launch(device, "copying between host and device",
         {dim3(static_cast<unsigned>(std::min(blocks, kMostBlocks)), count), kThreads}, CopyWords,
         all);
}

}  // namespace transept::kernels::cuda
