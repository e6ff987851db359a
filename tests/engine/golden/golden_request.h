// A golden's options and source as the request that an engine gets.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "config/config.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/decode/options.h"
#include "engine/types/request.h"

namespace transept {

// Of a GoldenGeneration or GoldenSearch of `checkpoint`, for an engine of `config`.
template <typename Golden>
Request RequestOf(const Golden& golden, const Checkpoint& checkpoint,
                  const config::EngineConfig& config) {
  const GenerationOptions* defaults[] = {&checkpoint.generation()};
  const auto params =
      ResolveOptions(golden.options, defaults,
                     {.model = &checkpoint.spec(),
                      .max_new_tokens = config.max_new_tokens,
                      .max_rows = config.max_rows},
                     {.target_prefix_length = static_cast<int32_t>(golden.prefix.size())});
  EXPECT_TRUE(params.ok()) << params.status();
  Request request;
  request.source = golden.source;
  request.target_prefix = golden.prefix;
  if (params.ok()) request.params = *params;
  return request;
}

}  // namespace transept
