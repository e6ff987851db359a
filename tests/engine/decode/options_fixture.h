// Options to resolve in three layers, and what is expected of them.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/decode/options.h"
#include "engine/types/errors.h"

namespace transept {

class ResolveOptionsTest : public ::testing::Test {
 protected:
  ResolveOptionsTest() {
    model_.vocab_size = 100;
    model_.eos_tokens = {1};
  }

  absl::StatusOr<DecodeParams> Resolve() {
    const std::vector<const GenerationOptions*> defaults = {&server_, &checkpoint_};
    return ResolveOptions(request_, defaults, limits_, context_);
  }

  DecodeParams MustResolve() {
    const auto params = Resolve();
    EXPECT_TRUE(params.ok()) << params.status();
    return params.value_or(DecodeParams{});
  }

  // The request fails, and the error names field, value and limit.
  void ExpectError(const std::string& field, const std::string& value, const std::string& limit) {
    const auto params = Resolve();
    ASSERT_FALSE(params.ok()) << field << " " << value;
    EXPECT_EQ(params.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(FieldOf(params.status()), field);
    EXPECT_THAT(std::string(params.status().message()), ::testing::HasSubstr(value));
    EXPECT_THAT(std::string(params.status().message()), ::testing::HasSubstr(limit));
  }

  template <typename T>
  void ExpectRefused(std::optional<T> GenerationOptions::*option, T value,
                     const std::string& field) {
    request_.*option = value;
    const auto params = Resolve();
    EXPECT_FALSE(params.ok()) << field;
    EXPECT_EQ(FieldOf(params.status()), "options." + field);
    request_.*option = std::nullopt;
  }

  ModelSpec model_;
  GenerationOptions request_, server_, checkpoint_;
  OptionLimits limits_{.model = &model_, .max_new_tokens = 500, .max_rows = 8};
  OptionContext context_;
};

}  // namespace transept
