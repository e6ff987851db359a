// The models that the server offers, by name.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "config/config.h"
#include "engine/decode/options.h"
#include "engine/engine.h"
#include "engine/text/tokenizer.h"
#include "engine/types/generation.h"

namespace transept::server {

// A model and what serves it. Constant once it is in the registry; the engine and the tokenizer are
// thread-safe.
struct Model {
  std::string name;
  config::EngineConfig config;
  std::unique_ptr<Engine> engine;
  std::shared_ptr<const Tokenizer> tokenizer;   // null: token ids only
  GenerationOptions server_defaults;            // from the server's configuration
  std::vector<std::vector<TokenId>> bad_words;  // the same, for requests without bad_words
  GenerationOptions checkpoint_defaults;
};

// What the options of the model's requests are checked against. Points into `model`.
OptionLimits LimitsOf(const Model& model);

// Filled before the server starts, then read by any thread.
class ModelRegistry {
 public:
  // ALREADY_EXISTS if there is a model of that name.
  absl::Status Add(Model model);

  // The model `name`, or the only one if `name` is empty. It lives as long as the registry.
  // NOT_FOUND without it, naming those that there are; FieldError("model") for an empty name that
  // could stand for several.
  absl::StatusOr<const Model*> Find(std::string_view name) const;

  const std::vector<std::unique_ptr<Model>>& models() const { return models_; }

 private:
  // For messages: not more than a few.
  std::string Names() const;

  std::vector<std::unique_ptr<Model>> models_;
};

}  // namespace transept::server
