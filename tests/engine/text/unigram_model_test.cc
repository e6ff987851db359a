#include "engine/text/unigram_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace transept {
namespace {

using ::testing::ElementsAre;

UnigramModel Model(std::vector<VocabularyPiece> pieces, bool byte_fallback = false) {
  pieces.insert(pieces.begin(), {.text = "<unk>", .score = 0, .in_text = false});
  return UnigramModel(
      {.pieces = std::move(pieces), .lowest_score = -5, .byte_fallback = byte_fallback});
}

std::vector<TokenId> Encode(const UnigramModel& model, std::string_view word) {
  std::vector<TokenId> ids;
  model.NewEncoder()->Encode(word, &ids);
  return ids;
}

TEST(ByteTrieTest, FindsAllPrefixes) {
  const ByteTrie trie({{"a", 1}, {"abc", 2}, {"", 9}, {"b", 3}, {"abd", 4}, {"a", 5}, {"\xFF", 6}});
  std::vector<std::pair<size_t, int32_t>> found;
  const auto add = [&](size_t length, int32_t value) { found.emplace_back(length, value); };
  trie.ForEachPrefix("abcd", add);
  EXPECT_THAT(found, ElementsAre(std::pair(1, 5), std::pair(3, 2)));
  found.clear();
  trie.ForEachPrefix("\xFF\xFF", add);
  EXPECT_THAT(found, ElementsAre(std::pair(1, 6)));
  found.clear();
  trie.ForEachPrefix("", add);
  trie.ForEachPrefix("cab", add);
  ByteTrie().ForEachPrefix("a", add);
  EXPECT_TRUE(found.empty());
}

TEST(UnigramModelTest, TakesTheMostLikelySegmentation) {
  const UnigramModel model =
      Model({{"a", -1}, {"b", -1}, {"ab", -1.5}, {"abc", -5}, {"c", -1}, {"bc", -3.0}});
  EXPECT_THAT(Encode(model, "ab"), ElementsAre(3));
  EXPECT_THAT(Encode(model, "abc"), ElementsAre(3, 5));  // -2.5 against -4 and -5
  EXPECT_THAT(Encode(model, ""), ElementsAre());
}

TEST(UnigramModelTest, OfEquallyLikelyOnesTheFirstFound) {
  // "ab" + "c" reaches the end after "a" + "bc" does, with the same score.
  const UnigramModel model = Model({{"a", -1}, {"bc", -2}, {"ab", -2}, {"c", -1}});
  EXPECT_THAT(Encode(model, "abc"), ElementsAre(1, 2));
}

TEST(UnigramModelTest, AdjacentUnknownCharactersAreOneToken) {
  const UnigramModel model = Model({{"a", -1}});
  EXPECT_THAT(Encode(model, "xxaéé"), ElementsAre(0, 1, 0));
}

TEST(UnigramModelTest, PiecesOutsideTextAreNotFound) {
  const UnigramModel model = Model({{"a", -1, false}, {"b", -1}});
  EXPECT_THAT(Encode(model, "ab"), ElementsAre(0, 2));
}

TEST(UnigramModelTest, FallsBackToBytesWhereAllAreThere) {
  std::vector<VocabularyPiece> pieces = {{"a", -1}, {"<0xC3>", 0, false}, {"<0xA9>", 0, false}};
  const UnigramModel model = Model(pieces, true);
  EXPECT_THAT(Encode(model, "éa"), ElementsAre(2, 3, 1));
  EXPECT_THAT(Encode(model, "€a"), ElementsAre(0, 1));
  EXPECT_THAT(Encode(Model(pieces, false), "éa"), ElementsAre(0, 1));
}

TEST(UnigramModelTest, BytePieces) {
  EXPECT_EQ(ByteOfPiece("<0x0A>"), 10);
  EXPECT_EQ(ByteOfPiece("<0xFF>"), 255);
  for (const char* piece : {"<0x0G>", "<0x+A>", "<0xA>", "<0x0A", "<0x0A>>", "0x0A", ""}) {
    EXPECT_EQ(ByteOfPiece(piece), std::nullopt) << piece;
  }
}

}  // namespace
}  // namespace transept
