// Options on their way from a message, or from the configuration, to the engine and back.
#include "server/conversion.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>

namespace transept::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

v1::GenerationOptions Message(const std::string& text) {
  v1::GenerationOptions message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

GenerationOptions Read(const std::string& text) {
  const auto options = FromProto(Message(text));
  EXPECT_TRUE(options.ok()) << options.status();
  return options.value_or(GenerationOptions{});
}

TEST(ConversionTest, ReadsProcessorsAndFilters) {
  const GenerationOptions options = Read(R"(
      typical_p: 0.5 epsilon_cutoff: 0.25 eta_cutoff: 0.125
      repetition_penalty: 1.5 encoder_repetition_penalty: 2.5
      no_repeat_ngram_size: 3 encoder_no_repeat_ngram_size: 4
      bad_words_ids { values { ids: [5] } values { ids: [6, 7] } }
      sequence_bias { values { tokens { ids: [8, 9] } bias: -2.5 } values { bias: 1 } }
      exponential_decay_length_penalty { start_index: 30 decay_factor: 1.5 }
      renormalize_logits: true)");
  EXPECT_THAT(options.typical_p, Optional(0.5f));
  EXPECT_THAT(options.epsilon_cutoff, Optional(0.25f));
  EXPECT_THAT(options.eta_cutoff, Optional(0.125f));
  EXPECT_THAT(options.repetition_penalty, Optional(1.5f));
  EXPECT_THAT(options.encoder_repetition_penalty, Optional(2.5f));
  EXPECT_THAT(options.no_repeat_ngram_size, Optional(3));
  EXPECT_THAT(options.encoder_no_repeat_ngram_size, Optional(4));
  EXPECT_THAT(options.bad_words_ids, Optional(ElementsAre(ElementsAre(5), ElementsAre(6, 7))));
  EXPECT_THAT(options.sequence_bias,
              Optional(ElementsAre(SequenceBias{{8, 9}, -2.5f}, SequenceBias{{}, 1.0f})));
  EXPECT_THAT(options.exponential_decay_length_penalty, Optional(LengthDecay{30, 1.5f}));
  EXPECT_THAT(options.renormalize_logits, Optional(true));
}

// An empty list is a request's word, no list leaves it to the defaults.
TEST(ConversionTest, UnsetDiffersFromEmpty) {
  EXPECT_EQ(Read("").bad_words_ids, std::nullopt);
  EXPECT_EQ(Read("").sequence_bias, std::nullopt);
  EXPECT_EQ(Read("").exponential_decay_length_penalty, std::nullopt);
  EXPECT_THAT(Read("bad_words_ids {}").bad_words_ids, Optional(IsEmpty()));
  EXPECT_THAT(Read("sequence_bias {}").sequence_bias, Optional(IsEmpty()));
}

TEST(ConversionTest, TheConfigurationSaysTheSame) {
  config::GenerationConfig config;
  config.typical_p = 0.5f;
  config.epsilon_cutoff = 0.25f;
  config.eta_cutoff = 0.125f;
  config.encoder_repetition_penalty = 2.5f;
  config.encoder_no_repeat_ngram_size = 4;
  config.bad_words_ids = {{{5}, {6, 7}}};
  config.sequence_bias = {{{{8, 9}, -2.5f}}};
  config.exponential_decay_length_penalty = {30, 1.5f};
  config.renormalize_logits = false;
  const GenerationOptions options = FromConfig(config);
  EXPECT_EQ(options.typical_p, config.typical_p);
  EXPECT_EQ(options.epsilon_cutoff, config.epsilon_cutoff);
  EXPECT_EQ(options.eta_cutoff, config.eta_cutoff);
  EXPECT_EQ(options.encoder_repetition_penalty, config.encoder_repetition_penalty);
  EXPECT_EQ(options.encoder_no_repeat_ngram_size, config.encoder_no_repeat_ngram_size);
  EXPECT_EQ(options.bad_words_ids, config.bad_words_ids);
  EXPECT_THAT(options.sequence_bias, Optional(ElementsAre(SequenceBias{{8, 9}, -2.5f})));
  EXPECT_THAT(options.exponential_decay_length_penalty, Optional(LengthDecay{30, 1.5f}));
  EXPECT_THAT(options.renormalize_logits, Optional(false));
}

TEST(ConversionTest, ParamsAreReadBackToTheSameOptions) {
  DecodeParams params;
  params.eos_tokens = {1};
  params.encoder_repetition_penalty = 2.5f;
  params.encoder_no_repeat_ngram_size = 4;
  params.bad_words = {{5}, {6, 7}};
  params.sequence_bias = {{{8, 9}, -2.5f}};
  params.length_decay = {.start_index = 30, .decay_factor = 1.5f};
  params.typical_p = 0.5f;
  params.epsilon_cutoff = 0.25f;
  params.eta_cutoff = 0.125f;
  v1::GenerationOptions message = ToProto(params);
  EXPECT_FALSE(message.has_typical_p());
  SetSampling(params, &message);
  EXPECT_EQ(message.typical_p(), 0.5f);
  EXPECT_EQ(message.epsilon_cutoff(), 0.25f);
  EXPECT_EQ(message.eta_cutoff(), 0.125f);
  const auto options = FromProto(message);
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_THAT(options->encoder_repetition_penalty, Optional(2.5f));
  EXPECT_THAT(options->encoder_no_repeat_ngram_size, Optional(4));
  EXPECT_THAT(options->bad_words_ids, Optional(params.bad_words));
  EXPECT_THAT(options->sequence_bias, Optional(params.sequence_bias));
  EXPECT_EQ(options->exponential_decay_length_penalty, params.length_decay);
}

}  // namespace
}  // namespace transept::server
