#include "engine/text/bpe_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>

namespace transept {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::vector<TokenId> Encode(const BpeModel& model, std::string_view word) {
  std::vector<TokenId> ids;
  model.NewEncoder()->Encode(word, &ids);
  return ids;
}

// 0 "a", 1 "b", 2 "c", 3 "ab", 4 "bc", 5 "abc"
BpeModel::Options Letters(std::vector<BpeMerge> merges) {
  BpeModel::Options options;
  options.pieces = {"a", "b", "c", "ab", "bc", "abc"};
  options.merges = std::move(merges);
  return options;
}

TEST(BpeModelTest, TheLowestRankGoesFirst) {
  const BpeModel ab_first(Letters({{0, 1, 3, 0}, {1, 2, 4, 1}}));
  EXPECT_THAT(Encode(ab_first, "abc"), ElementsAre(3, 2));
  const BpeModel bc_first(Letters({{0, 1, 3, 1}, {1, 2, 4, 0}, {0, 4, 5, 2}}));
  EXPECT_THAT(Encode(bc_first, "abc"), ElementsAre(5));
  EXPECT_THAT(Encode(bc_first, "ab"), ElementsAre(3));
  EXPECT_THAT(Encode(bc_first, ""), IsEmpty());
}

TEST(BpeModelTest, OfEqualRanksTheLeftmost) {
  const BpeModel model(Letters({{0, 1, 3, 0}, {1, 2, 4, 0}}));
  EXPECT_THAT(Encode(model, "abc"), ElementsAre(3, 2));
  EXPECT_THAT(Encode(model, "bcab"), ElementsAre(4, 3));
}

TEST(BpeModelTest, OfTwoMergesOfOnePairTheLastCounts) {
  const BpeModel model(Letters({{0, 1, 3, 0}, {1, 2, 4, 1}, {0, 1, 3, 2}}));
  EXPECT_THAT(Encode(model, "abc"), ElementsAre(0, 4));
}

TEST(BpeModelTest, RunsJoinFromTheLeft) {
  BpeModel::Options options;
  options.pieces = {"a", "aa", "aaaa"};
  options.merges = {{0, 0, 1, 0}, {1, 1, 2, 1}};
  const BpeModel model(std::move(options));
  EXPECT_THAT(Encode(model, "aaaaaaa"), ElementsAre(2, 1, 0));
}

TEST(BpeModelTest, WholePiecesComeFirstAndStayWhole) {
  BpeModel::Options options = Letters({{0, 1, 3, 0}, {1, 2, 4, 1}, {0, 4, 5, 2}});
  options.pieces.insert(options.pieces.end(), {"bca", "bcab"});
  options.whole = {6, 7};
  const BpeModel model(std::move(options));
  EXPECT_THAT(Encode(model, "abcabc"), ElementsAre(0, 7, 2));
  EXPECT_THAT(Encode(model, "abcaab"), ElementsAre(0, 6, 3));
  EXPECT_THAT(Encode(model, "abc"), ElementsAre(3, 2));
}

TEST(BpeModelTest, UnknownCharacters) {
  BpeModel::Options options = Letters({{0, 1, 3, 0}});
  options.pieces.push_back("<unk>");
  EXPECT_THAT(Encode(BpeModel(options), "aéüb"), ElementsAre(3));  // dropped
  options.unknown_id = 6;
  EXPECT_THAT(Encode(BpeModel(options), "aéüb😀"), ElementsAre(0, 6, 6, 1, 6));
  options.fuse_unknown = true;
  EXPECT_THAT(Encode(BpeModel(options), "aéüb😀"), ElementsAre(0, 6, 1, 6));
}

TEST(BpeModelTest, FallsBackToBytesWhereAllOfACharacterAreThere) {
  BpeModel::Options options = Letters({});
  options.pieces.insert(options.pieces.end(), {"<unk>", "<0xC3>", "<0xA9>"});
  options.unknown_id = 6;
  options.byte_fallback = true;
  EXPECT_THAT(Encode(BpeModel(options), "aéü"), ElementsAre(0, 7, 8, 6));
}

TEST(BpeModelTest, MayIgnoreMergesForWordsThatArePieces) {
  BpeModel::Options options = Letters({{0, 1, 3, 0}});
  EXPECT_THAT(Encode(BpeModel(options), "abc"), ElementsAre(3, 2));
  options.ignore_merges = true;
  EXPECT_THAT(Encode(BpeModel(options), "abc"), ElementsAre(5));
  EXPECT_THAT(Encode(BpeModel(options), "abcc"), ElementsAre(3, 2, 2));
}

TEST(BpeModelTest, IdsMayHaveGaps) {
  BpeModel::Options options;
  options.pieces = {"", "a", "", "b"};
  const BpeModel model(std::move(options));
  EXPECT_THAT(Encode(model, "ab"), ElementsAre(1, 3));
  EXPECT_EQ(model.size(), 4);
  EXPECT_EQ(model.piece(2), "");
  EXPECT_EQ(model.piece(3), "b");
}

// As the algorithm is told: the best pair of the whole word, again and again.
std::vector<TokenId> JoinPlainly(const std::map<std::pair<TokenId, TokenId>, BpeMerge>& merges,
                                 std::vector<TokenId> ids) {
  while (true) {
    const BpeMerge* best = nullptr;
    size_t place = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto it = merges.find({ids[i], ids[i + 1]});
      if (it == merges.end() || (best != nullptr && best->rank <= it->second.rank)) continue;
      best = &it->second;
      place = i;
    }
    if (best == nullptr) return ids;
    ids[place] = best->result;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(place) + 1);
  }
}

TEST(BpeModelTest, JoinsAsThePlainAlgorithm) {
  std::mt19937 random(5);
  for (int round = 0; round < 100; ++round) {
    BpeModel::Options options;
    options.pieces = {"a", "b", "c"};
    std::map<std::pair<TokenId, TokenId>, BpeMerge> merges;
    std::map<std::string, TokenId> known = {{"a", 0}, {"b", 1}, {"c", 2}};
    for (int32_t rank = 0; rank < 30; ++rank) {
      const auto left = static_cast<TokenId>(random() % options.pieces.size());
      const auto right = static_cast<TokenId>(random() % options.pieces.size());
      const std::string text = options.pieces[left] + options.pieces[right];
      // Two pairs with one result could differ: see BpeModel's queue.
      if (!known.try_emplace(text, options.pieces.size()).second) continue;
      const BpeMerge merge{left, right, static_cast<TokenId>(options.pieces.size()), rank};
      options.pieces.push_back(text);
      options.merges.push_back(merge);
      merges[{left, right}] = merge;
    }
    const BpeModel model(std::move(options));
    const auto encoder = model.NewEncoder();  // its memory is reused
    for (int i = 0; i < 20; ++i) {
      std::string word;
      std::vector<TokenId> letters;
      for (size_t n = random() % 60; n > 0; --n) {
        letters.push_back(static_cast<TokenId>(random() % 3));
        word += static_cast<char>('a' + letters.back());
      }
      std::vector<TokenId> ids;
      encoder->Encode(word, &ids);
      EXPECT_EQ(ids, JoinPlainly(merges, letters)) << word;
    }
  }
}

TEST(MergesOfScoresTest, AnyTwoPiecesWhoseTextIsOneTheHighestScoreFirst) {
  const std::vector<VocabularyPiece> pieces = {
      {"<c>", 0, false}, {"a", -9}, {"b", -9}, {"ab", -1}, {"ba", -2}, {"aba", -2}, {"x<c>", -3}};
  std::vector<std::vector<int32_t>> merges;
  for (const BpeMerge& merge : MergesOfScores(pieces)) {
    merges.push_back({merge.left, merge.right, merge.result, merge.rank});
  }
  EXPECT_THAT(merges, UnorderedElementsAre(std::vector{1, 2, 3, 0}, std::vector{2, 1, 4, 1},
                                           std::vector{1, 4, 5, 1}, std::vector{3, 1, 5, 1}));
}

}  // namespace
}  // namespace transept
