#include "engine/checkpoint/checkpoint.h"

#include <spdlog/spdlog.h>

#include <string_view>
#include <utility>

#include "engine/checkpoint/config_fields.h"
#include "engine/checkpoint/family.h"
#include "engine/checkpoint/generation_config.h"
#include "engine/checkpoint/safetensors_source.h"
#include "engine/json/json.h"

namespace transept {
namespace {

absl::StatusOr<const Family*> ReadFamily(const JsonView& model_type) {
  const absl::StatusOr<std::string> name = model_type.AsString();
  if (!name.ok()) return name.status();
  const Family* const family = FindFamily(*name);
  if (family == nullptr) return model_type.Error("supported are " + SupportedModelTypes());
  return family;
}

// Fills `generation` and the tokens of `spec` from generation_config.json, or from `config` when
// the folder has none: then transformers, too, reads them from config.json, and only then.
absl::Status ReadGeneration(const std::string& folder, const JsonView& config, ModelSpec& spec,
                            GenerationOptions& generation) {
  const auto own = JsonDocument::ReadFile(folder + "/generation_config.json", kConfigLimits);
  if (!own.ok() && !absl::IsNotFound(own.status())) return own.status();
  if (own.ok() && !own->root().is_object()) return own->root().ExpectObject();
  ConfigFields fields(own.ok() ? own->root() : config);
  GenerationDefaults defaults = ReadGenerationConfig(fields, spec.vocab_size);
  generation = std::move(defaults.options);
  // How BART's older config.json, and what was made of it, name forced_bos_token_id.
  const bool from_config = !own.ok() || fields.Bool("_from_model_config").value_or(false);
  if (from_config && fields.Bool("force_bos_token_to_be_generated").value_or(false)) {
    generation.forced_bos_token_id = fields.Int("bos_token_id", {0, spec.vocab_size - 1});
  }
  if (!fields.status().ok()) return fields.status();
  if (own.ok()) {
    for (const std::string& name : UnknownGenerationFields(fields)) {
      spdlog::warn("{}/generation_config.json: `{}` is not known and has no effect", folder, name);
    }
  }
  if (defaults.eos_tokens) spec.eos_tokens = *std::move(defaults.eos_tokens);
  if (defaults.decoder_start_token) spec.decoder_start_token = *defaults.decoder_start_token;
  return absl::OkStatus();
}

}  // namespace

std::string BiasName(const std::string& weight) {
  constexpr std::string_view kSuffix = "weight";
  if (weight.size() < kSuffix.size()) return "";
  return weight.substr(0, weight.size() - kSuffix.size()) + "bias";
}

Checkpoint::Checkpoint(std::string folder, ModelSpec spec, GenerationOptions generation,
                       TensorNames names, std::unique_ptr<TensorSource> tensors)
    : folder_(std::move(folder)),
      spec_(std::move(spec)),
      generation_(std::move(generation)),
      names_(std::move(names)),
      tensors_(std::move(tensors)) {}

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(const std::string& folder) {
  const auto config = JsonDocument::ReadFile(folder + "/config.json", kConfigLimits);
  if (!config.ok()) return config.status();
  const absl::StatusOr<const Family*> family = ReadFamily((*config)["model_type"]);
  if (!family.ok()) return family.status();
  ConfigFields fields(config->root());
  ModelSpec spec = (*family)->read_config(fields);
  if (!fields.status().ok()) return fields.status();
  spec.family = std::string((*family)->model_type);

  GenerationOptions generation;
  absl::Status status = ReadGeneration(folder, config->root(), spec, generation);
  if (!status.ok()) return status;

  absl::StatusOr<std::unique_ptr<SafetensorsSource>> tensors = SafetensorsSource::Open(folder);
  if (!tensors.ok()) return tensors.status();
  spec.stored_dtype = (*tensors)->stored_dtype();
  TensorNames names = (*family)->name_tensors(spec);
  status = (*family)->settle_tensors(**tensors, spec, names);
  if (!status.ok()) return status;
  return std::make_unique<Checkpoint>(folder, std::move(spec), std::move(generation),
                                      std::move(names), *std::move(tensors));
}

}  // namespace transept
