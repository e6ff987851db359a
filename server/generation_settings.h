// The settings `generation:` of the models, checked as the options of requests are.
#pragma once

#include "absl/status/status.h"
#include "config/config.h"

namespace transept::server {

// INVALID_ARGUMENT "models[i].generation.<option>: ..." for what no model could carry out. What it
// takes the model's folder to judge, LoadModel does.
absl::Status CheckGenerationSettings(const config::Config& config);

}  // namespace transept::server
