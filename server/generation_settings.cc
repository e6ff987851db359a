#include "server/generation_settings.h"

#include <array>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "engine/decode/options.h"
#include "server/conversion.h"

namespace transept::server {
namespace {

absl::Status Check(const config::ModelConfig& config) {
  ModelSpec any_model;
  any_model.vocab_size = std::numeric_limits<int32_t>::max();
  any_model.eos_tokens = {0};
  OptionLimits limits;
  limits.model = &any_model;
  limits.max_new_tokens = config.engine.max_new_tokens;
  limits.max_rows = config.engine.max_rows;

  GenerationOptions options = FromConfig(config.generation);
  // The folder may ask for beams or sampling, and for longer outputs than transformers does.
  const bool searches = options.num_beams.value_or(1) > 1;
  if (!searches && (!options.num_beams || !options.do_sample)) options.num_return_sequences.reset();
  GenerationOptions any_checkpoint;
  any_checkpoint.max_new_tokens = limits.max_new_tokens;
  const std::array<const GenerationOptions*, 1> defaults = {&any_checkpoint};
  return ResolveOptions(options, defaults, limits, {}).status();
}

}  // namespace

absl::Status CheckGenerationSettings(const config::Config& config) {
  for (size_t i = 0; i < config.models.size(); ++i) {
    const absl::Status status = Check(config.models[i]);
    if (status.ok()) continue;
    return absl::Status(status.code(),
                        absl::StrCat("models[", i, "].generation.",
                                     absl::StripPrefix(status.message(), "options.")));
  }
  return absl::OkStatus();
}

}  // namespace transept::server
