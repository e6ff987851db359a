#include "engine/load_on_gpu.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/cache/kv_cache_spec.h"
#include "engine/runner/cuda_runner.h"
#include "kernels/cuda/bias.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/device_memory.h"

namespace transept {

namespace {

// What only a GPU asks of a model.
absl::Status CheckSpec(const ModelSpec& spec) {
  for (const StackSpec* stack : {&spec.encoder, &spec.decoder}) {
    const int32_t distance = stack->relative_positions.max_distance;
    if (distance > kernels::cuda::kMaxReach) {
      return absl::InvalidArgumentError(absl::StrCat("relative_attention_max_distance ", distance,
                                                     " exceeds ", kernels::cuda::kMaxReach,
                                                     ", the most that device 'cuda' serves"));
    }
  }
  return absl::OkStatus();
}

int64_t Mib(size_t bytes) {
  return static_cast<int64_t>(bytes >> 20);
}

// What one GPU has for one model.
struct Budget {
  size_t total = 0;  // of the GPU
  size_t free = 0;   // at start-up
  size_t limit = 0;  // what the model may take: weights, buffers, K/V blocks
};

// Leaves room for what is allocated once the blocks have theirs: a runner's inputs and graphs, and
// the encoder's workspace.
Budget BudgetOf(const EngineOptions& options, kernels::cuda::Device* device) {
  constexpr size_t kForSteps = (size_t{256} << 20) + kernels::cuda::Device::kWorkspaceBytes;
  Budget budget{.total = device->total_memory(), .free = device->AvailableMemory()};
  budget.limit = budget.free;
  if (options.model.fit_blocks) {
    const auto share = static_cast<size_t>(options.gpu_memory_fraction * budget.total);
    constexpr size_t kTaken = kernels::cuda::Device::kWorkspaceBytes;
    budget.limit = std::min(budget.limit, share - std::min(share, kTaken));
  }
  budget.limit -= std::min(budget.limit, kForSteps);
  return budget;
}

// Why a model could not be loaded: `status`, or the GPU's failure behind it.
absl::Status Explain(const absl::Status& status, const kernels::cuda::Device& device,
                     const Budget& budget) {
  const std::string reason = device.ok() ? std::string(status.message())
                                         : absl::StrCat("the GPU failed: ", device.error());
  if (device.ok() ? absl::IsResourceExhausted(status) : device.out_of_memory()) {
    return absl::ResourceExhaustedError(
        absl::StrCat(reason, "; of the GPU's ", Mib(budget.total), " MiB ", Mib(budget.free),
                     " were free at start-up, and the model may take ", Mib(budget.limit)));
  }
  return device.ok() ? status : absl::UnavailableError(reason);
}

// A pool that is made to fit must hold the longest sequence that requests may have.
absl::Status CheckPool(const EngineOptions& options, int32_t num_blocks) {
  const int32_t needed = BlocksFor(options.max_target_tokens, options.model.block_size) +
                         BlocksFor(options.max_source_tokens, options.model.block_size);
  if (!options.model.fit_blocks || num_blocks >= needed) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("there is memory for ", num_blocks, " K/V blocks; a request with ",
                   options.max_source_tokens, " source tokens (max_source_tokens) and a target of ",
                   options.max_target_tokens, " needs ", needed));
}

}  // namespace

absl::StatusOr<LoadedModel> LoadOnGpu(const EngineOptions& options, const Checkpoint& checkpoint) {
  if (absl::Status status = CheckSpec(checkpoint.spec()); !status.ok()) return status;
  std::string error;
  std::unique_ptr<kernels::cuda::Device> opened = kernels::cuda::Device::Open(&error);
  if (opened == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("device: 'cuda' has no usable GPU: ", error));
  }
  kernels::cuda::Device& device = *opened;
  const Budget budget = BudgetOf(options, &device);
  spdlog::info("GPU 0 is {}, {} of {} MiB are free", device.name(), Mib(budget.free),
               Mib(budget.total));
  auto memory = std::make_unique<kernels::cuda::DeviceMemory>(std::move(opened), budget.limit);
  LoadedModel loaded;
  absl::StatusOr<std::unique_ptr<Model>> model =
      Model::Load(checkpoint, options.model, memory.get());
  if (!model.ok()) return Explain(model.status(), device, budget);
  loaded.model = *std::move(model);
  const size_t free = device.AvailableMemory();
  absl::Status status = CheckPool(options, loaded.model->options().num_blocks);
  if (!status.ok() || !device.ok()) return Explain(status, device, budget);
  absl::StatusOr<std::unique_ptr<CudaRunner>> runner =
      CudaRunner::Create(&device, loaded.model.get(),
                         {.max_source_tokens = options.max_source_tokens,
                          .max_target_tokens = options.max_target_tokens});
  if (!runner.ok()) return Explain(runner.status(), device, budget);
  loaded.runner = *std::move(runner);
  loaded.memory = std::move(memory);
  const size_t still_free = device.AvailableMemory();
  spdlog::info("the model takes {} MiB of the GPU, {} of them for its steps; {} stay free",
               Mib(budget.free - still_free), Mib(free - still_free), Mib(still_free));
  return loaded;
}

}  // namespace transept
