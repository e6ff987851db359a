// The engine's loop over a model and runner that are there already: where Engine::Create ends, and
// where a test puts in a runner of its own.
#pragma once

#include <memory>

#include "config/config.h"
#include "engine/engine.h"
#include "engine/engine_options.h"
#include "engine/loaded_model.h"
#include "engine/text/tokenizer.h"

namespace transept {

// Starts the engine thread, which alone uses `loaded` from now on. `options` are those that
// `config` was resolved to and the model loaded with.
std::unique_ptr<Engine> StartEngine(const config::EngineConfig& config,
                                    const EngineOptions& options, LoadedModel loaded,
                                    std::shared_ptr<const Tokenizer> tokenizer);

}  // namespace transept
