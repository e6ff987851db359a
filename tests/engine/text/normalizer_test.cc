#include "engine/text/normalizer.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/text/grapheme.h"

namespace transept {
namespace {

TEST(GraphemeTest, ClusterLengths) {
  EXPECT_EQ(GraphemeClusterLength("ab"), 1u);
  EXPECT_EQ(GraphemeClusterLength("\r\n"), 2u);
  EXPECT_EQ(GraphemeClusterLength("\n\u0301"), 1u);        // nothing attaches to a control
  EXPECT_EQ(GraphemeClusterLength("e\u0301\u0302x"), 5u);  // two marks on one letter
  EXPECT_EQ(GraphemeClusterLength("\u0301\u0301"), 4u);    // marks without a letter
  EXPECT_EQ(GraphemeClusterLength("\u0600\u0661x"), 4u);   // a prepended sign
  EXPECT_EQ(GraphemeClusterLength("\u0600\n"), 2u);
  EXPECT_EQ(GraphemeClusterLength("\u0915\u094D\u0937"), 6u);
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
