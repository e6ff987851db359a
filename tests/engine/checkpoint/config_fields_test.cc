#include "engine/checkpoint/config_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace transept {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

JsonDocument Parse(std::string_view text) {
  absl::StatusOr<JsonDocument> json = JsonDocument::Parse(text, "dir/config.json", kConfigLimits);
  EXPECT_TRUE(json.ok()) << json.status();
  return *std::move(json);
}

TEST(ConfigFieldsTest, ReadsWhatIsThere) {
  const JsonDocument json = Parse(
      R"({"i": -3, "f": 0.5, "whole": 2, "b": false, "s": "x", "one": 7, "list": [1, 2], "texts": "t"})");
  ConfigFields fields(json.root());
  EXPECT_THAT(fields.Int("i", {-3, 3}), Optional(-3));
  EXPECT_THAT(fields.Float("f", {0, 1}), Optional(0.5f));
  EXPECT_THAT(fields.Float("whole", {0, 2}), Optional(2.0f));
  EXPECT_THAT(fields.Bool("b"), Optional(false));
  EXPECT_THAT(fields.String("s"), Optional(std::string("x")));
  EXPECT_THAT(fields.Ints("one", {0, 9}), Optional(ElementsAre(7)));
  EXPECT_THAT(fields.Ints("list", {0, 9}), Optional(ElementsAre(1, 2)));
  EXPECT_THAT(fields.Strings("texts"), Optional(ElementsAre("t")));
  EXPECT_TRUE(fields.status().ok()) << fields.status();
}

TEST(ConfigFieldsTest, AbsentAndNullAreUnset) {
  const JsonDocument json = Parse(R"({"n": null})");
  ConfigFields fields(json.root());
  for (const char* name : {"n", "absent"}) {
    EXPECT_EQ(fields.Int(name, {0, 1}), std::nullopt);
    EXPECT_EQ(fields.Float(name, {0, 1}), std::nullopt);
    EXPECT_EQ(fields.Bool(name), std::nullopt);
    EXPECT_EQ(fields.String(name), std::nullopt);
    EXPECT_EQ(fields.Ints(name, {0, 1}), std::nullopt);
    EXPECT_EQ(fields.Strings(name), std::nullopt);
    EXPECT_FALSE(fields.Has(name));
  }
  EXPECT_TRUE(fields.status().ok());
}

TEST(ConfigFieldsTest, TheFirstErrorStays) {
  const JsonDocument json = Parse(R"({"d_model": -3, "b": 1})");
  ConfigFields fields(json.root());
  EXPECT_EQ(fields.Int("d_model", {1, 65536}), std::nullopt);
  EXPECT_EQ(fields.Bool("b"), std::nullopt);
  EXPECT_EQ(fields.status().message(), "dir/config.json: d_model is -3: must lie in [1, 65536]");
}

// The error that reading one field leaves.
template <typename Read>
std::string ErrorOf(std::string_view json_text, Read read) {
  const JsonDocument json = Parse(json_text);
  ConfigFields fields(json.root());
  EXPECT_FALSE(read(fields).has_value()) << json_text;
  EXPECT_EQ(fields.status().code(), absl::StatusCode::kInvalidArgument) << json_text;
  return std::string(fields.status().message());
}

TEST(ConfigFieldsTest, RefusesWrongTypes) {
  const auto read_int = [](ConfigFields& fields) { return fields.Int("x", {0, 9}); };
  for (const char* text : {R"({"x": 1.5})", R"({"x": "1"})", R"({"x": true})", R"({"x": [1]})",
                           R"({"x": {}})", R"({"x": 10})", R"({"x": 4294967297})",
                           R"({"x": 18446744073709551615})", R"({"x": 1e300})"}) {
    EXPECT_THAT(ErrorOf(text, read_int), HasSubstr("x is "));
  }
  const auto read_ints = [](ConfigFields& fields) { return fields.Ints("x", {0, 9}); };
  EXPECT_THAT(ErrorOf(R"({"x": [1, "2"]})", read_ints), HasSubstr("x[1] is \"2\""));
  EXPECT_THAT(ErrorOf(R"({"x": [[1]]})", read_ints), HasSubstr("x[0] is [1]"));
  const auto read_strings = [](ConfigFields& fields) { return fields.Strings("x"); };
  EXPECT_THAT(ErrorOf(R"({"x": ["a", null]})", read_strings), HasSubstr("x[1]"));
}

TEST(ConfigFieldsTest, NonFiniteNumbersAreErrorsOnlyWhereANumberIsRead) {
  const JsonDocument json = Parse(R"({"unread": NaN, "x": [1, -Infinity], "y": 2})");
  ConfigFields fields(json.root());
  EXPECT_THAT(fields.Int("y", {0, 9}), Optional(2));
  EXPECT_TRUE(fields.status().ok());
  const auto read = [](ConfigFields& fields) { return fields.Float("x", {-1e30f, 1e30f}); };
  EXPECT_THAT(ErrorOf(R"({"x": NaN})", read), HasSubstr("x is \"NaN\": must be a number"));
  EXPECT_THAT(ErrorOf(R"({"x": -Infinity})", read), HasSubstr("x is \"-Infinity\""));
}

TEST(ConfigFieldsTest, RangesOfNumbersMayBeOpen) {
  const Range<float> range = {.min = 0.0f, .max = 1.0f, .open_min = true};
  const auto read = [&](ConfigFields& fields) { return fields.Float("x", range); };
  EXPECT_THAT(ErrorOf(R"({"x": 0})", read), HasSubstr("must lie in (0, 1]"));
  EXPECT_THAT(ErrorOf(R"({"x": 1.5})", read), HasSubstr("x is 1.5"));
  // Above 0 as a double, 0 as the float that is kept.
  EXPECT_THAT(ErrorOf(R"({"x": 1e-300})", read), HasSubstr("x is 1e-300"));
  EXPECT_THAT(ErrorOf(R"({"x": 1e300})", read), HasSubstr("must lie in"));
}

}  // namespace
}  // namespace transept
