// The demo model, end to end but for gRPC: text to the text that transformers gives.
// tests/data/demo/itn_cases.tsv was written by tools/demo/make_cases.py.
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/engine.h"
#include "engine/text/tokenizer.h"
#include "tests/support/collecting_sink.h"

namespace transept {
namespace {

constexpr char kFolder[] = "models/itn-en-small";

struct Case {
  std::string text;
  std::vector<TokenId> source;
  std::vector<TokenId> target;  // with the final EOS, unless the limit came first
  std::string answer;
};

std::vector<TokenId> ParseIds(absl::string_view field) {
  std::vector<TokenId> ids;
  for (const absl::string_view word : absl::StrSplit(field, ' ', absl::SkipEmpty())) {
    EXPECT_TRUE(absl::SimpleAtoi(word, &ids.emplace_back())) << word;
  }
  return ids;
}

std::vector<Case> ReadCases() {
  std::vector<Case> cases;
  std::ifstream file("tests/data/demo/itn_cases.tsv");
  std::string line;
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = absl::StrSplit(line, '\t');
    if (fields.size() != 4) {
      ADD_FAILURE() << "not four fields: " << line;
      continue;
    }
    cases.push_back({fields[0], ParseIds(fields[1]), ParseIds(fields[2]), fields[3]});
  }
  return cases;
}

class DemoModel : public ::testing::Test {
 protected:
  void SetUp() override {
    auto checkpoint = Checkpoint::Open(kFolder);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    auto tokenizer = LoadTokenizer(kFolder, (*checkpoint)->spec());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
    tokenizer_ = *std::move(tokenizer);
    checkpoint_ = *std::move(checkpoint);
    cases_ = ReadCases();
    ASSERT_GE(cases_.size(), 30u);
  }

  // What an engine with weights of `dtype` gives for all cases in one batch; null where it failed.
  std::vector<std::optional<Hypothesis>> Answers(const std::string& dtype) {
    config::EngineConfig config;
    config.dtype = dtype;
    auto engine = Engine::Create(config, *checkpoint_, tokenizer_);
    EXPECT_TRUE(engine.ok()) << engine.status();
    std::vector<std::optional<Hypothesis>> answers(cases_.size());
    if (!engine.ok()) return answers;
    std::vector<std::shared_ptr<CollectingSink>> sinks;
    for (const Case& c : cases_) {
      Request request;
      request.source = c.source;
      request.params.max_new_tokens = 256;
      request.params.eos_tokens = {eos()};
      sinks.push_back(std::make_shared<CollectingSink>());
      const auto id = (*engine)->Submit(std::move(request), sinks.back());
      EXPECT_TRUE(id.ok()) << id.status();
    }
    for (size_t i = 0; i < cases_.size(); ++i) {
      const auto result = sinks[i]->Wait();
      EXPECT_TRUE(result.ok()) << result.status();
      if (result.ok()) answers[i] = result->hypotheses.front();
    }
    return answers;
  }

  TokenId eos() const { return checkpoint_->spec().eos_tokens.front(); }

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<Checkpoint> checkpoint_;
  std::vector<Case> cases_;
};

TEST_F(DemoModel, TokenizesLikeTransformers) {
  for (const Case& c : cases_) {
    const auto ids = tokenizer_->Encode(c.text);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, c.source) << c.text;
  }
}

TEST_F(DemoModel, GeneratesTransformersTokensWithAllCasesInOneBatch) {
  const std::vector<std::optional<Hypothesis>> answers = Answers("auto");
  for (size_t i = 0; i < cases_.size(); ++i) {
    ASSERT_TRUE(answers[i]);
    std::vector<TokenId> tokens = TokensOf(*answers[i]);
    EXPECT_EQ(tokenizer_->Decode(tokens), cases_[i].answer) << cases_[i].text;
    if (answers[i]->finish_reason == FinishReason::kEos) tokens.push_back(eos());
    EXPECT_EQ(tokens, cases_[i].target) << cases_[i].text;
  }
}

// Weights in int8 are others: the answers are nearly always the same.
TEST_F(DemoModel, AnswersAlikeInInt8) {
  const std::vector<std::optional<Hypothesis>> answers = Answers("int8");
  size_t equal = 0;
  for (size_t i = 0; i < cases_.size(); ++i) {
    ASSERT_TRUE(answers[i]);
    equal += tokenizer_->Decode(TokensOf(*answers[i])) == cases_[i].answer;
  }
  EXPECT_GE(equal, cases_.size() * 9 / 10) << "of " << cases_.size();
  RecordProperty("equal", static_cast<int>(equal));
}

}  // namespace
}  // namespace transept
