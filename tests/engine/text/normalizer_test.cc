#include "engine/text/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/text/grapheme.h"

namespace transept {
namespace {

using ::testing::ElementsAre;

TEST(GraphemeTest, Clusters) {
  const auto rules = GraphemeRules::Load();
  ASSERT_TRUE(rules.ok()) << rules.status();
  const auto lengths = [&](std::string_view text) {
    std::vector<size_t> sizes;
    rules->ForEachCluster(text, [&](std::string_view cluster) { sizes.push_back(cluster.size()); });
    return sizes;
  };
  EXPECT_THAT(lengths(""), ElementsAre());
  EXPECT_THAT(lengths("ab\r\nc"), ElementsAre(1, 1, 2, 1));
  EXPECT_THAT(lengths("\r\r\n\n\u0301"), ElementsAre(1, 2, 1, 2));  // nothing joins a control
  EXPECT_THAT(lengths("xe\u0301\u0302y"), ElementsAre(1, 5, 1));    // two marks on one letter
  EXPECT_THAT(lengths("\u0301\u0301"), ElementsAre(4));
  EXPECT_THAT(lengths("\u0600\u0661x"), ElementsAre(4, 1));  // a prepended sign
  EXPECT_THAT(lengths(std::string("a\0\u0301", 4)), ElementsAre(1, 1, 2));
  EXPECT_THAT(lengths("\U0001F469\u200D\U0001F680!"), ElementsAre(11, 1));
  EXPECT_THAT(lengths("\u1112\u1161\u11AB\uAC00"), ElementsAre(9, 3));
}

std::string SentencePiece(std::string_view text, bool prefix, bool trim) {
  return MakeSentencePieceNormalizer(
             {.charsmap = {}, .add_dummy_prefix = prefix, .remove_extra_whitespaces = trim})
      ->Normalize(text);
}

TEST(NormalizerTest, SentencePieceSpaces) {
  EXPECT_EQ(SentencePiece("  a  b ", true, true), "▁a▁b");
  EXPECT_EQ(SentencePiece("  a  b ", false, true), "a▁b");
  EXPECT_EQ(SentencePiece(" a  b ", true, false), "▁▁a▁▁b▁");
  EXPECT_EQ(SentencePiece("   ", true, true), "");
  EXPECT_EQ(SentencePiece("", true, true), "");
}

TEST(NormalizerTest, StepsOfTokenizerJson) {
  EXPECT_EQ(MakeSpaceRunNormalizer("_")->Normalize("a b  c   d"), "a b_c_d");
  EXPECT_EQ(MakeReplaceNormalizer("aa", "b")->Normalize("aaaxa"), "baxa");
  EXPECT_EQ(MakeStripNormalizer(false, true)->Normalize(" a\u00A0"), " a");
  std::vector<std::unique_ptr<Normalizer>> steps;
  steps.push_back(MakeReplaceNormalizer("x", "  "));
  steps.push_back(MakeSpaceRunNormalizer("_"));
  EXPECT_EQ(MakeSequenceNormalizer(std::move(steps))->Normalize("axb"), "a_b");
}

TEST(CharsmapTest, RefusesBrokenSizes) {
  EXPECT_FALSE(Charsmap::Parse("abc").ok());
  EXPECT_FALSE(Charsmap::Parse(std::string("\x08\0\0\0abcd", 8)).ok());         // 8 > 4
  EXPECT_FALSE(Charsmap::Parse(std::string("\x03\0\0\0abcd", 8)).ok());         // not units
  EXPECT_FALSE(Charsmap::Parse(std::string("\x04\0\0\0abcd\xFF\0", 10)).ok());  // not UTF-8
}

TEST(CharsmapTest, DamagedTriesMatchNothingOutside) {
  // One unit, whose offset leads far away.
  const auto map =
      Charsmap::Parse(std::string("\x04\0\0\0\xFF\xFF\xFF\x7F"
                                  "abc",
                                  11));
  ASSERT_TRUE(map.ok()) << map.status();
  for (int c = 0; c < 256; ++c) EXPECT_FALSE(map->Longest(std::string(3, static_cast<char>(c))));
}

}  // namespace
}  // namespace transept
