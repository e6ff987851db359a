#include "engine/checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/checkpoint_writer.h"

namespace transept {
namespace {

using test::SafetensorsBytes;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;

absl::StatusOr<SafetensorsHeader> Parse(std::string_view header, std::string_view data) {
  return ParseSafetensorsHeader(SafetensorsBytes(header, data), "dir/m.safetensors");
}

// The error for one tensor "w" with these fields before 8 bytes of data.
std::string TensorError(const std::string& fields) {
  const auto header = Parse("{\"w\": {" + fields + "}}", "01234567");
  EXPECT_EQ(header.status().code(), absl::StatusCode::kInvalidArgument) << fields;
  EXPECT_THAT(header.status().message(), HasSubstr("dir/m.safetensors: "));
  return std::string(header.status().message());
}

TEST(SafetensorsTest, ReadsTensorsInAnyOrderOfNames) {
  const auto header = Parse(
      R"({"__metadata__": {"format": "pt"},
          "b": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
          "a": {"dtype": "BF16", "shape": [3], "data_offsets": [8, 14]},
          "scalar": {"dtype": "F16", "shape": [], "data_offsets": [14, 16]},
          "empty": {"dtype": "F32", "shape": [4, 0], "data_offsets": [14, 14]}}   )",
      std::string(16, 'x'));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_THAT(*header, ElementsAre(Key("a"), Key("b"), Key("empty"), Key("scalar")));
  const SafetensorsEntry& a = header->at("a");
  EXPECT_EQ(a.dtype, "BF16");
  EXPECT_THAT(a.shape, ElementsAre(3));
  EXPECT_EQ(a.end - a.begin, 6u);
  EXPECT_EQ(a.begin, header->at("b").end);
  EXPECT_THAT(header->at("scalar").shape, IsEmpty());
}

TEST(SafetensorsTest, AcceptsDataThatIsNotAligned) {
  const auto header = Parse(R"({"b": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
                                "f": {"dtype": "F32", "shape": [1], "data_offsets": [1, 5]}})",
                            "12345");
  EXPECT_TRUE(header.ok()) << header.status();
}

TEST(SafetensorsTest, AcceptsTypesItDoesNotKnow) {
  const auto header =
      Parse(R"({"q": {"dtype": "F4_NEW", "shape": [9], "data_offsets": [0, 5]}})", "12345");
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->at("q").dtype, "F4_NEW");
}

TEST(SafetensorsTest, RefusesFilesThatAreTooShort) {
  const std::string whole = SafetensorsBytes("{}", "");
  EXPECT_TRUE(ParseSafetensorsHeader(whole, "f").ok());
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ParseSafetensorsHeader(whole.substr(0, size), "f").ok()) << size;
  }
}

TEST(SafetensorsTest, RefusesHeaderLengthsBeyondTheFile) {
  for (const std::string& length : {std::string("\x03\0\0\0\0\0\0\0", 8), std::string(8, '\xff'),
                                    std::string("\0\0\0\0\0\0\0\x80", 8)}) {
    const auto header = ParseSafetensorsHeader(length + "{}", "f");
    EXPECT_THAT(header.status().message(), HasSubstr("f: header length is "));
  }
}

TEST(SafetensorsTest, RefusesHeadersThatAreNotAnObjectOfObjects) {
  EXPECT_FALSE(Parse("", "").ok());
  EXPECT_FALSE(Parse("[]", "").ok());
  EXPECT_FALSE(Parse("{\"w\": 1}", "").ok());
  EXPECT_FALSE(Parse("{\"w\": {}}", "").ok());
  EXPECT_FALSE(Parse("{} x", "").ok());
  EXPECT_FALSE(Parse(std::string(100000, '{'), "").ok());
}

TEST(SafetensorsTest, RefusesNamesGivenTwice) {
  const auto header = Parse(R"({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
                                "w": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}})",
                            "12");
  EXPECT_THAT(header.status().message(), HasSubstr("\"w\" is given twice"));
}

TEST(SafetensorsTest, ErrorsNameTensorFieldAndValue) {
  EXPECT_THAT(TensorError(R"("shape": [2], "data_offsets": [0, 8])"),
              HasSubstr("w.dtype is absent"));
  EXPECT_THAT(TensorError(R"("dtype": 3, "shape": [2], "data_offsets": [0, 8])"),
              HasSubstr("w.dtype is 3"));
  EXPECT_THAT(TensorError(R"("dtype": "F32", "shape": [-2], "data_offsets": [0, 8])"),
              HasSubstr("w.shape[0] is -2"));
  EXPECT_THAT(
      TensorError(R"("dtype": "F32", "shape": [1,1,1,1,1,1,1,1,2], "data_offsets": [0, 8])"),
      HasSubstr("at most 8 dimensions"));
  EXPECT_THAT(TensorError(R"("dtype": "F32", "shape": [2], "data_offsets": [0])"),
              HasSubstr("w.data_offsets is [0]"));
  EXPECT_THAT(TensorError(R"("dtype": "F32", "shape": [2], "data_offsets": [8, 0])"),
              HasSubstr("w.data_offsets[1] is 0"));
  EXPECT_THAT(TensorError(R"("dtype": "F32", "shape": [2], "data_offsets": [0, 8.5])"),
              HasSubstr("w.data_offsets[1] is 8.5"));
}

TEST(SafetensorsTest, RefusesOffsetsOutsideTheData) {
  EXPECT_THAT(TensorError(R"("dtype": "F32", "shape": [3], "data_offsets": [0, 12])"),
              AllOf(HasSubstr("w.data_offsets is [0,12]"), HasSubstr("the 8 bytes of data")));
  EXPECT_THAT(
      TensorError(R"("dtype": "F32", "shape": [2], "data_offsets": [0, 9223372036854775807])"),
      HasSubstr("the 8 bytes of data"));
  TensorError(R"("dtype": "F32", "shape": [2], "data_offsets": [0, 18446744073709551615])");
}

TEST(SafetensorsTest, RefusesSizesThatAreNotShapeTimesType) {
  EXPECT_THAT(TensorError(R"("dtype": "F16", "shape": [2], "data_offsets": [0, 8])"),
              HasSubstr("must span 4 bytes, for F16 [2]"));
  // 2^62 * 4 elements wrap to 0.
  EXPECT_THAT(
      TensorError(R"("dtype": "U8", "shape": [4611686018427387904, 4], "data_offsets": [0, 0])"),
      HasSubstr("w.shape is [4611686018427387904,4]"));
  // The bytes, not the elements, wrap.
  TensorError(R"("dtype": "F32", "shape": [4611686018427387906], "data_offsets": [0, 8])");
}

TEST(SafetensorsTest, RefusesOverlapsHolesAndLeftovers) {
  const auto two = [](const std::string& first, const std::string& second) {
    const auto header =
        Parse(R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": )" + first +
                  R"(}, "b": {"dtype": "U8", "shape": [4], "data_offsets": )" + second + "}}",
              "0123456789");
    EXPECT_FALSE(header.ok());
    return std::string(header.status().message());
  };
  EXPECT_THAT(two("[0, 4]", "[2, 6]"),
              AllOf(HasSubstr("b.data_offsets is [2,6]"), HasSubstr("overlaps"), HasSubstr("4")));
  EXPECT_THAT(two("[0, 4]", "[0, 4]"), HasSubstr("overlaps"));
  EXPECT_THAT(two("[6, 10]", "[0, 4]"),
              AllOf(HasSubstr("a.data_offsets is [6,10]"), HasSubstr("hole")));
  EXPECT_THAT(two("[0, 4]", "[4, 8]"), HasSubstr("the tensors end at byte 8 of 10"));
}

TEST(SafetensorsTest, NamesAreMadePrintableInErrors) {
  const auto header = Parse("{\"\\u001b[31m" + std::string(10000, 'x') + "\": 1}", "");
  ASSERT_FALSE(header.ok());
  EXPECT_LT(header.status().message().size(), 400u);
  EXPECT_EQ(header.status().message().find('\x1b'), absl::string_view::npos);
}

}  // namespace
}  // namespace transept
