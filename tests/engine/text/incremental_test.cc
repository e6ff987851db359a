// IncrementalDetokenizer against Decode, for every tokenizer of tests/data/text; and time that
// grows with the text, not with its square.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "engine/json/json.h"
#include "engine/text/space_cleanup.h"
#include "engine/text/tokenizer.h"
#include "engine/text/utf8.h"

namespace transept {
namespace {

std::unique_ptr<Tokenizer> Load(const std::string& name) {
  ModelSpec spec;
  spec.vocab_size = 5000;
  auto tokenizer = LoadTokenizer("tests/data/text/" + name, spec);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

class IncrementalTest : public testing::TestWithParam<std::string> {
 protected:
  const std::unique_ptr<Tokenizer> tokenizer_ = Load(GetParam());
};

TEST_P(IncrementalTest, DeltasAreWholeCharactersAndAddUpToDecode) {
  std::mt19937 random(11);
  for (int round = 0; round < 300; ++round) {
    std::vector<TokenId> ids(random() % 40);
    const bool bytes = round % 2 == 0;  // byte tokens come first in the vocabularies that have them
    for (TokenId& id : ids) {
      id = static_cast<TokenId>(random() % (bytes ? 259 : tokenizer_->vocab_size() + 5)) -
           (bytes ? 0 : 2);
    }
    const std::string whole = tokenizer_->Decode(ids);
    EXPECT_TRUE(IsValidUtf8(whole));
    auto detokenizer = tokenizer_->NewDetokenizer();
    std::string text;
    for (size_t i = 0; i < ids.size();) {
      if (random() % 4 == 0) {
        const auto original = std::exchange(detokenizer, detokenizer->Clone());
        original->Append(ids);  // of no consequence for the clone
      }
      const size_t n = std::min<size_t>(ids.size() - i, random() % 3);
      const std::string delta = detokenizer->Append(absl::MakeSpan(ids).subspan(i, n));
      EXPECT_TRUE(IsValidUtf8(delta));
      text += delta;
      i += n;
    }
    text += detokenizer->Finish();
    EXPECT_EQ(text, whole);
  }
}

TEST_P(IncrementalTest, OrdinaryTokensAreNotHeldBack) {
  // A space may be held back where spaces before punctuation are taken out, a byte never for long.
  const std::vector<TokenId> ids = *tokenizer_->Encode("The nave of the church is long");
  const auto detokenizer = tokenizer_->NewDetokenizer();
  std::string text;
  for (size_t i = 0; i < ids.size(); ++i) {
    text += detokenizer->Append(absl::MakeSpan(ids).subspan(i, 1));
    EXPECT_LE(tokenizer_->Decode(absl::MakeSpan(ids).first(i + 1)).size(), text.size() + 2);
  }
}

TEST_P(IncrementalTest, OutOfVocabularyIdsAreSkipped) {
  EXPECT_EQ(tokenizer_->Decode({-1, 100000, std::numeric_limits<TokenId>::min(),
                                std::numeric_limits<TokenId>::max()}),
            "");
  EXPECT_EQ(tokenizer_->Piece(-1), "");
  EXPECT_EQ(tokenizer_->Piece(100000), "");
  EXPECT_EQ(tokenizer_->Piece(tokenizer_->Encode("</s>")->back()), "</s>");
}

TEST_P(IncrementalTest, LongTextTakesLinearTime) {
  const auto seconds = [](auto work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const auto repeat = [](std::string_view text, size_t size) {
    std::string result;
    while (result.size() < size) result += text;
    return result;
  };
  for (const std::string_view pattern : {"The nave of the church. ", "a", "e\u0301", "\u0301", " ",
                                         "</s>", "<extra_id_", "\xE2\x82", "😀", "▁"}) {
    const std::string text = repeat(pattern, pattern.size() > 20 ? 1 << 20 : 1 << 17);
    std::vector<TokenId> ids;
    // Generous: quadratic time would be minutes.
    EXPECT_LT(seconds([&] { ids = *tokenizer_->Encode(text); }), 30) << pattern;
    EXPECT_LT(seconds([&] {
                const auto detokenizer = tokenizer_->NewDetokenizer();
                for (const TokenId id : ids) detokenizer->Append({&id, 1});
                detokenizer->Finish();
              }),
              30)
        << pattern;
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, IncrementalTest,
                         testing::Values("t5_json", "t5_json_v4", "t5_json_bytes", "t5_spiece",
                                         "t5_spiece_bytes", "byt5", "bart_files", "blenderbot_json",
                                         "bpe_spiece", "bpe_json"),
                         [](const auto& info) { return info.param; });

// Gives out scripted text.
class Script final : public IncrementalDetokenizer {
 public:
  explicit Script(std::string text) : text_(std::move(text)) {}
  std::string Append(absl::Span<const TokenId> ids) override {
    std::string delta = text_.substr(0, ids.size());
    text_.erase(0, ids.size());
    return delta;
  }
  std::string Finish() override { return text_; }
  std::unique_ptr<IncrementalDetokenizer> Clone() const override {
    return std::make_unique<Script>(*this);
  }

 private:
  std::string text_;
};

std::string CleanUp(const std::string& text, size_t chunk) {
  const auto detokenizer = WithSpaceCleanup(std::make_unique<Script>(text));
  std::string result;
  for (size_t i = 0; i < text.size(); i += chunk) {
    result += detokenizer->Append(std::vector<TokenId>(chunk));
  }
  return result + detokenizer->Finish();
}

TEST(SpaceCleanupTest, FollowsTransformers) {
  for (size_t chunk : {1, 2, 50}) {
    EXPECT_EQ(CleanUp("a . b , c ! d ? e", chunk), "a. b, c! d? e");
    EXPECT_EQ(CleanUp("do n't I 'm it 's we 've they 're", chunk), "don't I'm it's we've they're");
    EXPECT_EQ(CleanUp("rock ' n ' roll", chunk), "rock'n'roll");
    EXPECT_EQ(CleanUp("a  .  b", chunk), "a .  b");
    EXPECT_EQ(CleanUp(" .", chunk), ".");
    EXPECT_EQ(CleanUp("x ", chunk), "x ");
    EXPECT_EQ(CleanUp("x '", chunk), "x '");
    EXPECT_EQ(CleanUp(" n' n", chunk), " n' n");
    EXPECT_EQ(CleanUp(" ' .", chunk), " '.");  // rules apply one after the other
  }
}

}  // namespace
}  // namespace transept
