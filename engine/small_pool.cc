#include "engine/small_pool.h"

#include <spdlog/spdlog.h>

#include "engine/cache/kv_cache_spec.h"

namespace transept {
namespace {

// The setting of `config` that sizes the pool; null if that is left to the defaults.
const char* SizingSetting(const config::EngineConfig& config, Device device) {
  if (config.kv_cache_mib > 0) return "kv_cache_mib";
  if (device == Device::kCpu) return nullptr;
  const bool by_default = config.gpu_memory_fraction == config::EngineConfig().gpu_memory_fraction;
  return by_default ? nullptr : "gpu_memory_fraction";
}

}  // namespace

void WarnOfSmallPool(const config::EngineConfig& config, const EngineInfo& info,
                     const Model& model) {
  const ModelOptions& options = model.options();
  const int64_t longest = BlocksFor(info.max_source_tokens, options.block_size) +
                          BlocksFor(info.max_new_tokens, options.block_size);
  const StackSpec& decoder = model.spec().decoder;
  const int64_t block_bytes = PageOf(decoder, options).page_bytes() * decoder.num_layers;
  const auto mib = [&](int64_t blocks) {
    return static_cast<double>(blocks * block_bytes) / (1 << 20);
  };
  const char* const setting = SizingSetting(config, options.device);
  if (options.num_blocks < longest) {
    spdlog::warn(
        "a request of {} source and {} new tokens needs {:.1f} MiB of keys and values, and there "
        "are {:.1f}: what needs more is refused; raise {}, or lower max_source_tokens or "
        "max_new_tokens",
        info.max_source_tokens, info.max_new_tokens, mib(longest), mib(options.num_blocks),
        setting == nullptr ? "kv_cache_mib" : setting);
    return;
  }
  const int64_t needed = int64_t{options.max_rows} * longest;
  if (setting == nullptr || options.num_blocks >= needed) return;
  spdlog::warn(
      "{} leaves {:.1f} MiB for keys and values, and {} requests (max_rows) of {} source and {} "
      "new tokens need {:.1f} MiB: some would wait, or be computed again; raise {}, or lower "
      "max_rows, max_source_tokens or max_new_tokens",
      setting, mib(options.num_blocks), options.max_rows, info.max_source_tokens,
      info.max_new_tokens, mib(needed), setting);
}

}  // namespace transept
