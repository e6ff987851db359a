#include "server/model_loader.h"

#include <filesystem>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/text/tokenizer.h"
#include "server/conversion.h"
#include "server/request_reader.h"
#include "spdlog/spdlog.h"

namespace transept::server {
namespace {

// What requests call the model: its folder's name, unless the settings give one.
std::string NameOf(const config::ModelConfig& config) {
  if (!config.name.empty()) return config.name;
  const std::filesystem::path folder = std::filesystem::path(config.path).lexically_normal();
  // The name of "models/demo/" is before the last slash.
  return (folder.has_filename() ? folder : folder.parent_path()).filename().string();
}

// Null if the folder has none that can be read: the model then takes token ids only.
std::shared_ptr<const Tokenizer> LoadTokenizerIfAny(const Checkpoint& checkpoint) {
  auto tokenizer = LoadTokenizer(checkpoint.folder(), checkpoint.spec());
  if (tokenizer.ok()) return *std::move(tokenizer);
  spdlog::warn("{}; the model takes token ids only", std::string(tokenizer.status().message()));
  return nullptr;
}

// Defaults that no request could use are an error now, not in every answer. Those of the server's
// settings were somebody's wish, so they must hold as if a request said them; a checkpoint's may be
// cut to what this version can do.
absl::Status CheckDefaults(const Model& model) {
  const GenerationOptions* const defaults[] = {&model.checkpoint_defaults};
  return ResolveOptions(model.server_defaults, defaults, LimitsOf(model),
                        {.bad_words = model.bad_words})
      .status();
}

absl::Status SetDefaults(const config::GenerationConfig& config, const Checkpoint& checkpoint,
                         Model* model) {
  model->server_defaults = FromConfig(config);
  model->checkpoint_defaults = checkpoint.generation();
  if (config.bad_words) {
    auto bad_words = ReadBadWords(*config.bad_words, *model);
    if (!bad_words.ok()) return bad_words.status();
    model->bad_words = *std::move(bad_words);
  }
  return CheckDefaults(*model);
}

// A length that the checkpoint gives, and nobody else, is cut to what the server allows.
void WarnOfCutLength(const Model& model) {
  const bool overridden = model.server_defaults.max_new_tokens || model.server_defaults.max_length;
  const GenerationOptions& asked = model.checkpoint_defaults;
  const int32_t tokens = asked.max_new_tokens.value_or(asked.max_length.value_or(1) - 1);
  const int32_t most = model.engine->info().max_new_tokens;
  if (overridden || tokens <= most) return;
  spdlog::warn(
      "the default of model {}, {} new tokens, is above what it can generate here, {}: requests "
      "that name no length get the latter",
      model.name, tokens, most);
}

}  // namespace

absl::StatusOr<Model> LoadModel(const config::ModelConfig& config) {
  const auto checkpoint = Checkpoint::Open(config.path);
  if (!checkpoint.ok()) return checkpoint.status();
  const std::shared_ptr<const Tokenizer> tokenizer = LoadTokenizerIfAny(**checkpoint);
  auto engine = Engine::Create(config.engine, **checkpoint, tokenizer);
  if (!engine.ok()) return engine.status();

  Model model;
  model.name = NameOf(config);
  model.config = config.engine;
  model.engine = *std::move(engine);
  model.tokenizer = tokenizer;
  if (absl::Status status = SetDefaults(config.generation, **checkpoint, &model); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat("the default options of model ", model.name,
                                                    ": ", status.message()));
  }
  WarnOfCutLength(model);
  return model;
}

}  // namespace transept::server
