#include "engine/json/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

namespace transept {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

JsonDocument Parse(std::string_view text) {
  absl::StatusOr<JsonDocument> document = JsonDocument::Parse(text, "dir/config.json");
  EXPECT_TRUE(document.ok()) << document.status();
  return *std::move(document);
}

std::string ParseError(std::string_view text, const JsonLimits& limits = {}) {
  absl::StatusOr<JsonDocument> document = JsonDocument::Parse(text, "dir/config.json", limits);
  EXPECT_EQ(document.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(document.status().message());
}

TEST(JsonTest, ReadsTypedValues) {
  const JsonDocument json =
      Parse(R"({"a": {"b": [1, 2.0, -3]}, "s": "x\u00e9", "t": true, "n": null, "d": 0.5})");
  EXPECT_EQ(*json["a"]["b"][0].AsInt(), 1);
  EXPECT_EQ(*json["a"]["b"][1].AsInt(), 2);
  EXPECT_EQ(*json["a"]["b"][2].AsInt(), -3);
  EXPECT_EQ(json["a"]["b"].size(), 3u);
  EXPECT_EQ(*json["s"].AsString(), "x\xc3\xa9");
  EXPECT_TRUE(*json["t"].AsBool());
  EXPECT_EQ(*json["d"].AsDouble(), 0.5);
  EXPECT_FALSE(json["n"].exists());
  EXPECT_FALSE(json["absent"].exists());
  EXPECT_THAT(json.root().Keys(), ElementsAre("a", "d", "n", "s", "t"));
}

TEST(JsonTest, FallbacksServeAbsentAndNullButNotWrongTypes) {
  const JsonDocument json = Parse(R"({"n": null, "s": "x"})");
  EXPECT_EQ(*json["n"].AsIntOr(7), 7);
  EXPECT_EQ(*json["absent"]["deeper"][4].AsStringOr("y"), "y");
  EXPECT_TRUE(*json["absent"].AsBoolOr(true));
  EXPECT_FALSE(json["s"].AsIntOr(7).ok());
}

TEST(JsonTest, ErrorsNameFileFieldAndValue) {
  const JsonDocument json = Parse(R"({"a": {"b": [1, "two"]}, "big": 99, "half": 0.5})");
  EXPECT_EQ(json["a"]["b"][1].AsInt().status().message(),
            "dir/config.json: a.b[1] is \"two\": must be a whole number");
  EXPECT_EQ(json["big"].AsInt(0, 10).status().message(),
            "dir/config.json: big is 99: must lie in [0, 10]");
  EXPECT_EQ(json["half"].AsInt().status().message(),
            "dir/config.json: half is 0.5: must be a whole number");
  EXPECT_EQ(json["none"].AsString().status().message(),
            "dir/config.json: none is absent: must be a string");
  EXPECT_EQ(json.root().ExpectArray().code(), absl::StatusCode::kInvalidArgument);
}

TEST(JsonTest, IntegersBeyondInt64AreOutOfRange) {
  const JsonDocument json =
      Parse(R"({"u": 18446744073709551615, "f": 1e30, "max": 9223372036854775807})");
  EXPECT_FALSE(json["u"].AsInt().ok());
  EXPECT_FALSE(json["f"].AsInt().ok());
  EXPECT_EQ(*json["max"].AsInt(), std::numeric_limits<int64_t>::max());
}

TEST(JsonTest, RefusesWhatIsNotJson) {
  EXPECT_THAT(ParseError("{\"a\": NaN}"), HasSubstr("line 1, column 7"));
  EXPECT_THAT(ParseError(""), HasSubstr("dir/config.json"));
  ParseError("{\"a\": 1e999}");
  ParseError("{\"a\": \"\xff\"}");
  ParseError("{} {}");
  ParseError("{\"a\": \"\\");
}

TEST(JsonTest, RefusesDeepAndLargeDocuments) {
  EXPECT_THAT(ParseError(std::string(100000, '[')), HasSubstr("100000 levels deep"));
  EXPECT_THAT(ParseError("[1, 2, 3, 4]", {.max_bytes = 5}), HasSubstr("the limit is 5"));
  Parse("[\"" + std::string(1000, '[') + "\\\"[\"]");  // brackets in a string are text
}

TEST(JsonTest, RefusesDocumentsOfTooManyValues) {
  const JsonLimits limits = {.max_values = 5};
  EXPECT_THAT(ParseError("[[], [], [], [], [], []]", limits), HasSubstr("the limit is 5"));
  EXPECT_TRUE(JsonDocument::Parse("[1, 2, 3, \",,,,,\"]", "f", limits).ok());
}

TEST(JsonTest, RefusesNamesGivenTwiceInOneObject) {
  EXPECT_THAT(ParseError(R"({"a": 1, "b": 2, "\u0061": 3})"), HasSubstr("\"a\" is given twice"));
  EXPECT_THAT(ParseError(R"({"x": [{"y": {"a": 1}, "b": {"a": 1, "a": 1}}]})"),
              HasSubstr("\"a\" is given twice"));
  Parse(R"({"a": {"a": [{"a": 1}, {"a": 2}]}, "b": {"a": 3}, "c": 4})");
}

TEST(JsonTest, ReadsPythonsNonFiniteNumbersAsStringsWhenAllowed) {
  const JsonLimits limits = {.python_non_finite = true};
  const auto json = JsonDocument::Parse(
      R"({"a": [NaN, -Infinity,Infinity], "NaN": "Infinity\" NaN", "b": -1})", "f", limits);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(*(*json)["a"][0].AsString(), "NaN");
  EXPECT_EQ(*(*json)["a"][1].AsString(), "-Infinity");
  EXPECT_EQ(*(*json)["a"][2].AsString(), "Infinity");
  EXPECT_EQ(*(*json)["NaN"].AsString(), "Infinity\" NaN");
  EXPECT_FALSE((*json)["a"][0].AsDouble().ok());
  ParseError("{\"a\": NaNa}", limits);
}

TEST(JsonTest, TextFromFilesIsMadePrintable) {
  EXPECT_EQ(Printable("a\x1b\"b\xc3\xa9"), "\"a\\x1b\\\"b\xc3\xa9\"");
  EXPECT_LT(Printable(std::string(100000, 'x')).size(), 100u);
  const JsonDocument json = Parse("{\"\\u001b\": 1}");
  EXPECT_EQ(json["\x1b"].AsString().status().message(),
            "dir/config.json: \\x1b is 1: must be a string");
}

TEST(JsonTest, LongValuesAreShortenedInErrors) {
  const JsonDocument json = Parse("[\"" + std::string(100000, 'x') + "\"]");
  EXPECT_LT(json.root()[0].AsInt().status().message().size(), 200u);
}

TEST(JsonTest, ReadsFilesWithinTheLimit) {
  const std::string folder = ::testing::TempDir() + "transept_json_test_files";
  std::filesystem::create_directories(folder);
  const std::string path = folder + "/a.json";
  std::ofstream(path) << "{\"a\": 1}";
  ASSERT_TRUE(JsonDocument::ReadFile(path).ok());
  EXPECT_EQ(JsonDocument::ReadFile(path, {.max_bytes = 3}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(JsonDocument::ReadFile(folder).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(JsonDocument::ReadFile(folder + "/none.json").status().code(),
            absl::StatusCode::kNotFound);
  std::filesystem::remove(folder + "/link.json");
  std::filesystem::create_symlink(folder + "/nowhere", folder + "/link.json");
  EXPECT_EQ(JsonDocument::ReadFile(folder + "/link.json").status().code(),
            absl::StatusCode::kInvalidArgument);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace transept
