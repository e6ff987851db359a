#include "engine/engine_options.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "absl/strings/str_cat.h"
#include "config/loader.h"
#include "engine/cache/kv_cache_spec.h"
#include "engine/host_limits.h"

namespace transept {
namespace {

using kernels::DataType;

constexpr int64_t kCpuPoolMib = 512;  // for kv_cache_mib 0

// "auto" is `automatic`.
absl::StatusOr<DataType> ParseDataType(const std::string& setting, const std::string& name,
                                       DataType automatic) {
  if (name == "auto") return automatic;
  for (const DataType type : {DataType::kFloat32, DataType::kBFloat16, DataType::kFloat16}) {
    if (name == kernels::Name(type)) return type;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(setting, ": '", name, "' is none of auto, float32, bfloat16, float16"));
}

absl::StatusOr<DataType> ParseWeightType(const std::string& name, Device device,
                                         const ModelSpec& spec) {
  if (name == kernels::Name(DataType::kInt8)) return DataType::kInt8;
  const bool cpu = device == Device::kCpu;
  return ParseDataType("dtype", name, cpu ? spec.stored_dtype : DataType::kBFloat16);
}

absl::StatusOr<Device> ParseDevice(const std::string& name) {
  if (name == "cpu") return Device::kCpu;
  if (name == "cuda") return Device::kCuda;
  return absl::InvalidArgumentError(absl::StrCat("device: '", name, "' is neither cpu nor cuda"));
}

// The blocks of a pool of `mib` MiB.
absl::StatusOr<int32_t> BlocksIn(int64_t mib, const ModelSpec& spec, const ModelOptions& options) {
  const KvCacheSpec page = PageOf(spec.decoder, options);
  return PoolBlocks(SelfAttentionSpec{page}, CrossAttentionSpec{page}, spec.decoder.num_layers,
                    mib << 20);
}

// Sizes the block pool of `options`, which is complete but for it.
absl::Status SizePool(const config::EngineConfig& config, const ModelSpec& spec,
                      EngineOptions* options) {
  ModelOptions& model = options->model;
  if (config.kv_cache_mib == 0 && model.device == Device::kCuda) {
    const int64_t row_blocks = BlocksFor(options->max_target_tokens, model.block_size) +
                               BlocksFor(options->max_source_tokens, model.block_size);
    constexpr int64_t kMost = std::numeric_limits<int32_t>::max() - 1;  // and a spare one
    model.num_blocks = static_cast<int32_t>(std::min(kMost, model.max_rows * row_blocks));
    model.fit_blocks = true;
    return absl::OkStatus();
  }
  const int64_t mib = config.kv_cache_mib > 0 ? config.kv_cache_mib : kCpuPoolMib;
  const absl::StatusOr<int32_t> num_blocks = BlocksIn(mib, spec, model);
  if (num_blocks.ok()) model.num_blocks = *num_blocks;
  return num_blocks.status();
}

SchedulerOptions SchedulerOptionsOf(const config::EngineConfig& config, const ModelSpec& spec) {
  SchedulerOptions options;
  options.max_rows = config.max_rows;
  options.max_encoder_tokens = config.max_encoder_tokens;
  options.block_size = config.block_size;
  options.max_target_positions = spec.max_target_positions;
  options.priority_interval =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(config.priority_seconds));
  options.decoder_start_token = spec.decoder_start_token;
  return options;
}

}  // namespace

absl::StatusOr<EngineOptions> ResolveEngineOptions(const config::EngineConfig& config,
                                                   const ModelSpec& spec) {
  if (absl::Status status = config::Validate(config); !status.ok()) return status;
  const absl::StatusOr<Device> device = ParseDevice(config.device);
  if (!device.ok()) return device.status();
  const bool cpu = *device == Device::kCpu;
  const absl::StatusOr<DataType> dtype = ParseWeightType(config.dtype, *device, spec);
  if (!dtype.ok()) return dtype.status();
  const absl::StatusOr<DataType> kv_dtype =
      ParseDataType("kv_cache_dtype", config.kv_cache_dtype, cpu ? DataType::kFloat32 : *dtype);
  if (!kv_dtype.ok()) return kv_dtype.status();

  EngineOptions options;
  options.model.device = *device;
  options.model.dtype = *dtype;
  options.model.kv_dtype = *kv_dtype;
  options.model.attention_backend = config.attention_backend;
  options.model.max_rows = config.max_rows;
  options.model.block_size = config.block_size;
  // A source or a row's history that exceeds the step's budget is run alone, but whole.
  options.model.max_encoder_tokens = std::max(config.max_encoder_tokens, config.max_source_tokens);
  options.max_source_tokens = config.max_source_tokens;
  options.max_target_tokens = config.max_source_tokens + config.max_new_tokens;
  options.model.max_decoder_tokens =
      std::max({config.max_rows, config.max_encoder_tokens, options.max_target_tokens});
  options.scheduler = SchedulerOptionsOf(config, spec);
  // The CPU's runner takes a search in several runs if it must.
  if (!cpu) options.scheduler.max_search_tokens = options.model.max_decoder_tokens;
  options.threads = config.threads > 0 ? config.threads : AvailableCpus();
  options.gpu_memory_fraction = config.gpu_memory_fraction;
  if (absl::Status status = SizePool(config, spec, &options); !status.ok()) return status;
  return options;
}

}  // namespace transept
