// From a model's settings to a running model.
#pragma once

#include "absl/status/statusor.h"
#include "config/config.h"
#include "server/model_registry.h"

namespace transept::server {

// Opens the checkpoint in config.path and its tokenizer if it has one, checks the default options,
// and starts the engine. Takes as long as reading the weights takes. On failure nothing is left
// behind.
absl::StatusOr<Model> LoadModel(const config::ModelConfig& config);

}  // namespace transept::server
