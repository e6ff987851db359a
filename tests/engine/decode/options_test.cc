#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/engine/decode/options_fixture.h"

namespace transept {
namespace {

using ::testing::ElementsAre;

TEST_F(ResolveOptionsTest, DefaultsAreThoseOfTransformers) {
  const DecodeParams params = MustResolve();
  EXPECT_EQ(params.max_new_tokens, 20);
  EXPECT_EQ(params.min_new_tokens, 0);
  EXPECT_EQ(params.num_sequences, 1);
  EXPECT_FALSE(params.do_sample);
  EXPECT_EQ(params.repetition_penalty, 1.0f);
  EXPECT_EQ(params.no_repeat_ngram_size, 0);
  EXPECT_THAT(params.eos_tokens, ElementsAre(1));

  request_.do_sample = true;
  const DecodeParams sampling = MustResolve();
  EXPECT_EQ(sampling.temperature, 1.0f);
  EXPECT_EQ(sampling.top_k, 50);
  EXPECT_EQ(sampling.top_p, 1.0f);
  EXPECT_EQ(sampling.min_p, 0.0f);
}

TEST_F(ResolveOptionsTest, EarlierLayersWin) {
  checkpoint_.repetition_penalty = 3.0f;
  checkpoint_.no_repeat_ngram_size = 3;
  checkpoint_.eos_token_ids = {{2, 3}};
  EXPECT_EQ(MustResolve().repetition_penalty, 3.0f);
  EXPECT_THAT(MustResolve().eos_tokens, ElementsAre(2, 3));
  server_.repetition_penalty = 2.0f;
  server_.eos_token_ids = {{4}};
  EXPECT_EQ(MustResolve().repetition_penalty, 2.0f);
  EXPECT_THAT(MustResolve().eos_tokens, ElementsAre(4));
  request_.repetition_penalty = 1.0f;
  EXPECT_EQ(MustResolve().repetition_penalty, 1.0f);
  EXPECT_EQ(MustResolve().no_repeat_ngram_size, 3);
}

TEST_F(ResolveOptionsTest, MaxLengthCountsStartAndPrefix) {
  request_.max_length = 30;
  EXPECT_EQ(MustResolve().max_new_tokens, 29);
  context_.target_prefix_length = 9;
  EXPECT_EQ(MustResolve().max_new_tokens, 20);
  request_.min_length = 15;
  EXPECT_EQ(MustResolve().min_new_tokens, 5);
  request_.min_length = 4;
  EXPECT_EQ(MustResolve().min_new_tokens, 0);
  request_.max_length = 10;
  ExpectError("options.max_length", "10",
              "above the length of decoder start and target prefix, 10");
}

TEST_F(ResolveOptionsTest, MaxNewTokensBeatsMaxLengthWithinALayer) {
  request_.max_new_tokens = 7;
  request_.max_length = 300;
  EXPECT_EQ(MustResolve().max_new_tokens, 7);
}

TEST_F(ResolveOptionsTest, AnEarlierLayersLengthIsFinal) {
  checkpoint_.max_new_tokens = 100;
  checkpoint_.min_new_tokens = 10;
  EXPECT_EQ(MustResolve().max_new_tokens, 100);
  EXPECT_EQ(MustResolve().min_new_tokens, 10);
  server_.max_length = 51;
  EXPECT_EQ(MustResolve().max_new_tokens, 50);
  request_.max_new_tokens = 200;
  request_.min_length = 0;
  EXPECT_EQ(MustResolve().max_new_tokens, 200);
  EXPECT_EQ(MustResolve().min_new_tokens, 0);
}

TEST_F(ResolveOptionsTest, RequestedLengthAboveALimitIsAnError) {
  request_.max_new_tokens = 501;
  ExpectError("options.max_new_tokens", "501", "at most 500");
  request_.max_new_tokens = std::nullopt;
  request_.max_length = 502;
  ExpectError("options.max_length", "502", "at most 501");
  request_.max_length = std::numeric_limits<int32_t>::max();
  context_.target_prefix_length = 1000;
  ExpectError("options.max_length", "2147483647", "at most 1501");
  request_.max_length = std::numeric_limits<int32_t>::min();
  ExpectError("options.max_length", "-2147483648", "at least 1");
}

TEST_F(ResolveOptionsTest, DefaultLengthIsCutToTheLimits) {
  checkpoint_.max_new_tokens = 100000;
  checkpoint_.min_length = 1000;
  EXPECT_EQ(MustResolve().max_new_tokens, 500);
  EXPECT_EQ(MustResolve().min_new_tokens, 500);
  request_.max_new_tokens = 5;
  EXPECT_EQ(MustResolve().min_new_tokens, 5);
  request_.max_new_tokens = std::nullopt;
  model_.max_target_positions = 64;
  context_.target_prefix_length = 3;
  EXPECT_EQ(MustResolve().max_new_tokens, 61);
  checkpoint_ = {};
  context_.target_prefix_length = 60;
  EXPECT_EQ(MustResolve().max_new_tokens, 3);
  context_.target_prefix_length = 63;
  EXPECT_EQ(MustResolve().max_new_tokens, 1);
}

TEST_F(ResolveOptionsTest, ModelPositionsLimitPrefixAndLength) {
  model_.max_target_positions = 64;
  request_.max_new_tokens = 64;  // the last is not fed
  EXPECT_EQ(MustResolve().max_new_tokens, 64);
  request_.max_new_tokens = 65;
  ExpectError("options.max_new_tokens", "65", "at most 64");
  request_.max_new_tokens = 1;
  context_.target_prefix_length = 63;
  EXPECT_EQ(MustResolve().max_new_tokens, 1);
  context_.target_prefix_length = 64;
  ExpectError("target_prefix", "64", "64");
}

TEST_F(ResolveOptionsTest, MinimumAboveMaximumIsAnError) {
  request_.min_new_tokens = 21;
  ExpectError("options.min_new_tokens", "21", "at most the maximum, 20");
  request_.min_new_tokens = std::nullopt;
  request_.min_length = 22;
  ExpectError("options.min_length", "22", "at most the maximum, 21");
}

TEST_F(ResolveOptionsTest, Beams) {
  request_.num_beams = 4;
  DecodeParams params = MustResolve();
  EXPECT_TRUE(params.beam_search());
  EXPECT_EQ(params.rows(), 4);
  EXPECT_EQ(params.num_sequences, 1);
  EXPECT_EQ(params.length_penalty, 1.0f);
  EXPECT_EQ(params.early_stopping, EarlyStopping::kFalse);
  EXPECT_FALSE(params.renormalize_logits);

  request_.num_return_sequences = 4;
  request_.early_stopping = EarlyStopping::kNever;
  request_.length_penalty = -2.0f;
  request_.renormalize_logits = true;
  params = MustResolve();
  EXPECT_EQ(params.num_sequences, 4);
  EXPECT_EQ(params.length_penalty, -2.0f);
  EXPECT_EQ(params.early_stopping, EarlyStopping::kNever);
  EXPECT_TRUE(params.renormalize_logits);
  request_.num_return_sequences = 5;
  ExpectError("options.num_return_sequences", "5", "at most num_beams, 4");
}

TEST_F(ResolveOptionsTest, ACheckpointsBeamsHold) {
  checkpoint_.num_beams = 4;
  checkpoint_.num_return_sequences = 3;
  checkpoint_.early_stopping = EarlyStopping::kTrue;
  checkpoint_.length_penalty = 0.6f;
  EXPECT_EQ(MustResolve().num_beams, 4);
  EXPECT_EQ(MustResolve().num_sequences, 3);
  EXPECT_EQ(MustResolve().early_stopping, EarlyStopping::kTrue);
  EXPECT_EQ(MustResolve().length_penalty, 0.6f);
  request_.num_beams = 2;
  EXPECT_EQ(MustResolve().num_sequences, 2);
  request_.num_beams = 1;
  EXPECT_FALSE(MustResolve().beam_search());
  EXPECT_EQ(MustResolve().num_sequences, 1);
  request_.do_sample = true;
  EXPECT_EQ(MustResolve().num_sequences, 3);
}

TEST_F(ResolveOptionsTest, BeamsHaveLimits) {
  request_.num_beams = 0;
  ExpectError("options.num_beams", "0", "at least 1");
  request_.num_beams = 9;
  ExpectError("options.num_beams", "9", "rows of one step, 8");
  limits_.max_rows = 100;
  request_.num_beams = 16;
  EXPECT_EQ(MustResolve().num_beams, 16);
  request_.num_beams = 17;
  ExpectError("options.num_beams", "17", "at most 16");
  request_.num_beams = std::numeric_limits<int32_t>::max();
  ExpectError("options.num_beams", "2147483647", "at most 16");
  // Candidates of a step: for each beam one, and one for each way to end.
  request_.num_beams = 16;
  request_.eos_token_ids = {{1, 2, 3}};
  EXPECT_EQ(MustResolve().beam_candidates(), 64);
  request_.eos_token_ids = {{1, 2, 3, 4}};
  ExpectError("options.num_beams", "16 is not",
              "4 EOS tokens a step chooses among at most 64, not 80");
}

TEST_F(ResolveOptionsTest, SeveralSequencesNeedSamplingOrBeams) {
  request_.num_return_sequences = 3;
  ExpectError("options.num_return_sequences", "3", "without do_sample or several beams");
  request_.do_sample = true;
  EXPECT_EQ(MustResolve().num_sequences, 3);
  request_.num_return_sequences = 9;
  ExpectError("options.num_return_sequences", "9", "rows of one step, 8");
}

TEST_F(ResolveOptionsTest, SamplingOptionsWithoutSamplingAreIgnored) {
  request_.temperature = 0.5f;
  request_.top_k = 3;
  request_.top_p = 0.5f;
  request_.seed = 4;
  const DecodeParams params = MustResolve();
  EXPECT_FALSE(params.do_sample);
  EXPECT_EQ(params.temperature, 1.0f);
  EXPECT_EQ(params.top_k, 0);
  // A checkpoint may carry values that only sampling would object to.
  request_.temperature = std::nullopt;
  checkpoint_.temperature = 0.0f;
  MustResolve();
  request_.do_sample = true;
  ExpectError("options.temperature", "0", "above 0");
}

TEST_F(ResolveOptionsTest, SeedFallsBackToTheGivenOne) {
  context_.seed = 99;
  request_.do_sample = true;
  EXPECT_EQ(MustResolve().seed, 99u);
  request_.seed = 0;
  EXPECT_EQ(MustResolve().seed, 0u);
}

TEST_F(ResolveOptionsTest, ValuesOutOfRange) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  using Options = GenerationOptions;
  for (float value : {0.0f, -1.0f, kNan, kInfinity}) {
    ExpectRefused(&Options::temperature, value, "temperature");
    ExpectRefused(&Options::repetition_penalty, value, "repetition_penalty");
  }
  for (float value : {kNan, kInfinity, -kInfinity}) {
    ExpectRefused(&Options::length_penalty, value, "length_penalty");
  }
  for (float value : {0.0f, 1.01f, kNan}) ExpectRefused(&Options::top_p, value, "top_p");
  for (float value : {-0.1f, 1.01f, kNan}) ExpectRefused(&Options::min_p, value, "min_p");
  ExpectRefused(&Options::top_k, -1, "top_k");
  ExpectRefused(&Options::no_repeat_ngram_size, -1, "no_repeat_ngram_size");
  ExpectRefused(&Options::max_new_tokens, 0, "max_new_tokens");
  ExpectRefused(&Options::max_length, 1, "max_length");
  ExpectRefused(&Options::min_new_tokens, -1, "min_new_tokens");
  ExpectRefused(&Options::min_length, -1, "min_length");
  ExpectRefused(&Options::num_return_sequences, 0, "num_return_sequences");
}

TEST_F(ResolveOptionsTest, TokenIdsBelowTheVocabulary) {
  using Options = GenerationOptions;
  using Tokens = std::vector<TokenId>;
  for (TokenId token : {-1, 100, std::numeric_limits<TokenId>::max()}) {
    ExpectRefused(&Options::suppress_tokens, Tokens{5, token}, "suppress_tokens");
    ExpectRefused(&Options::begin_suppress_tokens, Tokens{token}, "begin_suppress_tokens");
    ExpectRefused(&Options::eos_token_ids, Tokens{token}, "eos_token_ids");
    ExpectRefused(&Options::forced_bos_token_id, token, "forced_bos_token_id");
    ExpectRefused(&Options::forced_eos_token_id, token, "forced_eos_token_id");
  }
  ExpectRefused(&Options::suppress_tokens, Tokens(101, 5), "suppress_tokens");
  ExpectRefused(&Options::eos_token_ids, Tokens{}, "eos_token_ids");
  request_.suppress_tokens = {{0, 99}};
  request_.forced_bos_token_id = 98;
  EXPECT_THAT(MustResolve().suppress_tokens, ElementsAre(0, 99));
  EXPECT_EQ(MustResolve().forced_bos_token, 98);
}

TEST_F(ResolveOptionsTest, AForcedTokenCannotBeSuppressed) {
  request_.suppress_tokens = {{5, 6}};
  checkpoint_.forced_eos_token_id = 6;
  ExpectError("options.forced_eos_token_id", "6", "none of suppress_tokens");
}

TEST_F(ResolveOptionsTest, StopSequences) {
  using Strings = std::vector<std::string>;
  request_.stop_sequences = Strings{"END", "\n\n"};
  EXPECT_THAT(MustResolve().stop_sequences, ElementsAre("END", "\n\n"));
  ExpectRefused(&GenerationOptions::stop_sequences, Strings{"a", ""}, "stop_sequences");
  ExpectRefused(&GenerationOptions::stop_sequences, Strings(17, "a"), "stop_sequences");
  ExpectRefused(&GenerationOptions::stop_sequences, Strings{std::string(257, 'a')},
                "stop_sequences");
  limits_.has_tokenizer = false;
  server_.stop_sequences = Strings{"END"};
  EXPECT_TRUE(MustResolve().stop_sequences.empty());
  request_.stop_sequences = Strings{"END"};
  EXPECT_EQ(Resolve().status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ResolveOptionsTest, ABrokenDefaultShowsWithAnEmptyRequest) {
  checkpoint_.suppress_tokens = {{100}};
  ExpectError("options.suppress_tokens", "100", "vocabulary");
}

}  // namespace
}  // namespace transept
