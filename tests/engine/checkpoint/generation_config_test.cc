#include "engine/checkpoint/generation_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace transept {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

constexpr int32_t kVocabulary = 100;

absl::StatusOr<GenerationDefaults> Read(std::string_view text) {
  const absl::StatusOr<JsonDocument> json =
      JsonDocument::Parse(text, "dir/generation_config.json", kConfigLimits);
  if (!json.ok()) return json.status();
  ConfigFields fields(json->root());
  GenerationDefaults defaults = ReadGenerationConfig(fields, kVocabulary);
  if (!fields.status().ok()) return fields.status();
  return defaults;
}

GenerationDefaults Defaults(std::string_view text) {
  absl::StatusOr<GenerationDefaults> defaults = Read(text);
  EXPECT_TRUE(defaults.ok()) << defaults.status();
  return *std::move(defaults);
}

std::string Error(std::string_view text) {
  const absl::StatusOr<GenerationDefaults> defaults = Read(text);
  EXPECT_EQ(defaults.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(defaults.status().message());
}

TEST(GenerationConfigTest, ReadsAllOptions) {
  const GenerationDefaults defaults = Defaults(R"({
      "max_new_tokens": 1, "max_length": 2, "min_new_tokens": 3, "min_length": 4, "num_beams": 5,
      "num_return_sequences": 6, "length_penalty": -0.5, "early_stopping": "never",
      "renormalize_logits": true, "do_sample": true, "temperature": 0.5, "top_k": 0, "top_p": 0.75,
      "min_p": 0.25, "typical_p": 0.5, "epsilon_cutoff": 0.125, "eta_cutoff": 0.375,
      "repetition_penalty": 1.5, "encoder_repetition_penalty": 2.5, "no_repeat_ngram_size": 7,
      "encoder_no_repeat_ngram_size": 3, "bad_words_ids": [[5], [6, 7]],
      "sequence_bias": [[[8, 9], -2.5], [[3], 4]], "exponential_decay_length_penalty": [30, 1.5],
      "suppress_tokens": [8, 9], "begin_suppress_tokens": [], "stop_strings": ["a", "b"],
      "forced_bos_token_id": 10, "forced_eos_token_id": 11, "eos_token_id": [1, 12],
      "decoder_start_token_id": 13, "bos_token_id": 14})");
  const GenerationOptions& options = defaults.options;
  EXPECT_THAT(options.max_new_tokens, Optional(1));
  EXPECT_THAT(options.max_length, Optional(2));
  EXPECT_THAT(options.min_new_tokens, Optional(3));
  EXPECT_THAT(options.min_length, Optional(4));
  EXPECT_THAT(options.num_beams, Optional(5));
  EXPECT_THAT(options.num_return_sequences, Optional(6));
  EXPECT_THAT(options.length_penalty, Optional(-0.5f));
  EXPECT_THAT(options.early_stopping, Optional(EarlyStopping::kNever));
  EXPECT_THAT(options.renormalize_logits, Optional(true));
  EXPECT_THAT(options.do_sample, Optional(true));
  EXPECT_THAT(options.temperature, Optional(0.5f));
  EXPECT_THAT(options.top_k, Optional(0));
  EXPECT_THAT(options.top_p, Optional(0.75f));
  EXPECT_THAT(options.min_p, Optional(0.25f));
  EXPECT_THAT(options.typical_p, Optional(0.5f));
  EXPECT_THAT(options.epsilon_cutoff, Optional(0.125f));
  EXPECT_THAT(options.eta_cutoff, Optional(0.375f));
  EXPECT_THAT(options.repetition_penalty, Optional(1.5f));
  EXPECT_THAT(options.encoder_repetition_penalty, Optional(2.5f));
  EXPECT_THAT(options.no_repeat_ngram_size, Optional(7));
  EXPECT_THAT(options.encoder_no_repeat_ngram_size, Optional(3));
  EXPECT_THAT(options.bad_words_ids, Optional(ElementsAre(ElementsAre(5), ElementsAre(6, 7))));
  EXPECT_THAT(options.sequence_bias,
              Optional(ElementsAre(SequenceBias{{8, 9}, -2.5f}, SequenceBias{{3}, 4.0f})));
  EXPECT_THAT(options.exponential_decay_length_penalty, Optional(LengthDecay{30, 1.5f}));
  EXPECT_THAT(options.renormalize_logits, Optional(true));
  EXPECT_THAT(options.suppress_tokens, Optional(ElementsAre(8, 9)));
  EXPECT_THAT(options.begin_suppress_tokens, Optional(IsEmpty()));
  EXPECT_THAT(options.stop_sequences, Optional(ElementsAre("a", "b")));
  EXPECT_THAT(options.forced_bos_token_id, Optional(10));
  EXPECT_THAT(options.forced_eos_token_id, Optional(11));
  EXPECT_THAT(defaults.eos_tokens, Optional(ElementsAre(1, 12)));
  EXPECT_THAT(defaults.decoder_start_token, Optional(13));
}

TEST(GenerationConfigTest, UnsetAndNullFieldsStayUnset) {
  for (const char* text : {"{}", R"({"max_length": null, "top_k": null, "eos_token_id": null})"}) {
    const GenerationDefaults defaults = Defaults(text);
    EXPECT_EQ(defaults.options.max_length, std::nullopt);
    EXPECT_EQ(defaults.options.top_k, std::nullopt);
    EXPECT_EQ(defaults.options.do_sample, std::nullopt);
    EXPECT_EQ(defaults.options.suppress_tokens, std::nullopt);
    EXPECT_EQ(defaults.eos_tokens, std::nullopt);
    EXPECT_EQ(defaults.decoder_start_token, std::nullopt);
  }
}

TEST(GenerationConfigTest, OneTokenOrAListOfOneWillDo) {
  const GenerationDefaults defaults = Defaults(
      R"({"eos_token_id": 1, "forced_eos_token_id": [2], "forced_bos_token_id": [4],
          "stop_strings": "x", "bos_token_id": 3})");
  EXPECT_THAT(defaults.eos_tokens, Optional(ElementsAre(1)));
  EXPECT_THAT(defaults.options.forced_eos_token_id, Optional(2));
  EXPECT_THAT(defaults.options.forced_bos_token_id, Optional(4));
  EXPECT_THAT(defaults.options.stop_sequences, Optional(ElementsAre("x")));
  EXPECT_THAT(defaults.decoder_start_token, Optional(3)) << "transformers falls back to BOS";
  EXPECT_THAT(Error(R"({"forced_eos_token_id": [2, 3]})"), HasSubstr("must be one token"));
}

TEST(GenerationConfigTest, EarlyStoppingIsABooleanOrNever) {
  EXPECT_THAT(Defaults(R"({"early_stopping": true})").options.early_stopping,
              Optional(EarlyStopping::kTrue));
  EXPECT_THAT(Defaults(R"({"early_stopping": false})").options.early_stopping,
              Optional(EarlyStopping::kFalse));
  EXPECT_EQ(Defaults(R"({"early_stopping": null})").options.early_stopping, std::nullopt);
  EXPECT_THAT(Error(R"({"early_stopping": "always"})"), HasSubstr("or \"never\""));
}

TEST(GenerationConfigTest, RefusesValuesOutOfRange) {
  for (const char* text : {R"({"max_new_tokens": 0})",
                           R"({"max_length": 0})",
                           R"({"min_length": -1})",
                           R"({"num_beams": 0})",
                           R"({"num_return_sequences": 0})",
                           R"({"length_penalty": Infinity})",
                           R"({"early_stopping": 1})",
                           R"({"do_sample": 1})",
                           R"({"temperature": Infinity})",
                           R"({"top_p": NaN})",
                           R"({"repetition_penalty": 0})",
                           R"({"no_repeat_ngram_size": -1})",
                           R"({"suppress_tokens": [100]})",
                           R"({"bad_words_ids": [[100]]})",
                           R"({"bad_words_ids": [[]]})",
                           R"({"bad_words_ids": [5]})",
                           R"({"bad_words_ids": 5})",
                           R"({"encoder_repetition_penalty": 0})",
                           R"({"encoder_no_repeat_ngram_size": -1})",
                           R"({"sequence_bias": 5})",
                           R"({"sequence_bias": {"5": 1.0}})",
                           R"({"sequence_bias": [[[100], 1.0]]})",
                           R"({"sequence_bias": [[[], 1.0]]})",
                           R"({"sequence_bias": [[[5], 1.0, 2]]})",
                           R"({"sequence_bias": [[[5], Infinity]]})",
                           R"({"sequence_bias": [[5, 1.0]]})",
                           R"({"exponential_decay_length_penalty": [5]})",
                           R"({"exponential_decay_length_penalty": [-5, 1.5]})",
                           R"({"exponential_decay_length_penalty": 1.5})",
                           R"({"renormalize_logits": 1})",
                           R"({"forced_bos_token_id": -1})",
                           R"({"eos_token_id": []})",
                           R"({"eos_token_id": [1, 100]})",
                           R"({"decoder_start_token_id": 100})",
                           R"({"stop_strings": [1]})"}) {
    EXPECT_THAT(Error(text), HasSubstr("dir/generation_config.json: ")) << text;
  }
}

// What counts is whether the request samples.
TEST(GenerationConfigTest, LeavesSamplingToBeJudgedWhereItIsUsed) {
  const GenerationOptions options =
      Defaults(
          R"({"do_sample": false, "temperature": 0, "top_k": -1, "top_p": 0, "eta_cutoff": 2})")
          .options;
  EXPECT_THAT(options.temperature, Optional(0.0f));
  EXPECT_THAT(options.top_k, Optional(-1));
  EXPECT_THAT(options.top_p, Optional(0.0f));
  EXPECT_THAT(options.eta_cutoff, Optional(2.0f));
}

TEST(GenerationConfigTest, RefusesWhatItCannotHonour) {
  for (const char* text :
       {R"({"penalty_alpha": 0.6})", R"({"guidance_scale": 1.5})", R"({"constraints": ["x"]})",
        R"({"force_words_ids": [[5]]})", R"({"forced_decoder_ids": [[1, 5]]})",
        R"({"num_beam_groups": 2})", R"({"diversity_penalty": 0.5})", R"({"max_time": 2.5})",
        R"({"watermarking_config": {"bias": 2.0}})", R"({"watermarking_config": {}})",
        R"({"dola_layers": "high"})", R"({"is_assistant": true})"}) {
    EXPECT_THAT(Error(text), HasSubstr("is not supported")) << text;
  }
}

TEST(GenerationConfigTest, NeutralAndHarmlessFieldsPass) {
  Defaults(R"({"typical_p": 1.0, "epsilon_cutoff": 0.0, "encoder_repetition_penalty": 1,
               "encoder_no_repeat_ngram_size": 0, "bad_words_ids": null, "sequence_bias": [],
               "guidance_scale": 1.0,
               "forced_decoder_ids": [], "num_beam_groups": 1, "diversity_penalty": 0.0,
               "token_healing": false, "use_cache": true, "output_attentions": false,
               "transformers_version": "5.17.0", "_from_model_config": true, "own_field": NaN,
               "task_specific_params": {"summarization": {"typical_p": 0.5}}})");
}

std::vector<std::string> Unknown(std::string_view text) {
  const absl::StatusOr<JsonDocument> json =
      JsonDocument::Parse(text, "dir/generation_config.json", kConfigLimits);
  EXPECT_TRUE(json.ok()) << json.status();
  ConfigFields fields(json->root());
  ReadGenerationConfig(fields, kVocabulary);
  EXPECT_TRUE(fields.status().ok()) << fields.status();
  return UnknownGenerationFields(fields);
}

TEST(GenerationConfigTest, NamesWhatNobodyKnows) {
  EXPECT_THAT(Unknown(R"({"num_beams": 2, "lang_to_id": {"a": 1}, "alignment_heads": [[1, 2]],
                         "bos_token_id": 1, "decoder_start_token_id": 2, "pad_token_id": 0,
                         "guidance_scale": 1.0, "transformers_version": "5.17.0"})"),
              ElementsAre("alignment_heads", "lang_to_id"));
  EXPECT_THAT(Unknown(R"({"a_later_option": null, "use_cache": true})"), IsEmpty());
}

}  // namespace
}  // namespace transept
