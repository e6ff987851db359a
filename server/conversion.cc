#include "server/conversion.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/types/errors.h"

namespace transept::server {
namespace {

absl::StatusOr<std::optional<EarlyStopping>> FromProto(v1::EarlyStopping value) {
  switch (value) {
    case v1::EARLY_STOPPING_UNSPECIFIED: return std::nullopt;
    case v1::EARLY_STOPPING_FALSE: return EarlyStopping::kFalse;
    case v1::EARLY_STOPPING_TRUE: return EarlyStopping::kTrue;
    case v1::EARLY_STOPPING_NEVER: return EarlyStopping::kNever;
    default: break;
  }
  return FieldError("options.early_stopping",
                    absl::StrCat(static_cast<int>(value), " is no value of EarlyStopping"));
}

v1::EarlyStopping ToProto(EarlyStopping value) {
  switch (value) {
    case EarlyStopping::kFalse: return v1::EARLY_STOPPING_FALSE;
    case EarlyStopping::kTrue: return v1::EARLY_STOPPING_TRUE;
    case EarlyStopping::kNever: return v1::EARLY_STOPPING_NEVER;
  }
  return v1::EARLY_STOPPING_UNSPECIFIED;
}

// The settings accept no other text.
EarlyStopping EarlyStoppingOf(const std::string& setting) {
  if (setting == "never") return EarlyStopping::kNever;
  return setting == "true" ? EarlyStopping::kTrue : EarlyStopping::kFalse;
}

std::vector<TokenId> Ids(const v1::TokenIds& tokens) {
  return {tokens.ids().begin(), tokens.ids().end()};
}

void ReadRepetition(const v1::GenerationOptions& in, GenerationOptions* out) {
  if (in.has_repetition_penalty()) out->repetition_penalty = in.repetition_penalty();
  if (in.has_encoder_repetition_penalty()) {
    out->encoder_repetition_penalty = in.encoder_repetition_penalty();
  }
  if (in.has_no_repeat_ngram_size()) out->no_repeat_ngram_size = in.no_repeat_ngram_size();
  if (in.has_encoder_no_repeat_ngram_size()) {
    out->encoder_no_repeat_ngram_size = in.encoder_no_repeat_ngram_size();
  }
}

void ReadSequences(const v1::GenerationOptions& in, GenerationOptions* out) {
  if (in.has_bad_words_ids()) {
    out->bad_words_ids.emplace();
    for (const v1::TokenIds& word : in.bad_words_ids().values()) {
      out->bad_words_ids->push_back(Ids(word));
    }
  }
  if (in.has_sequence_bias()) {
    out->sequence_bias.emplace();
    for (const v1::SequenceBias& sequence : in.sequence_bias().values()) {
      out->sequence_bias->push_back({Ids(sequence.tokens()), sequence.bias()});
    }
  }
  if (in.has_exponential_decay_length_penalty()) {
    const v1::ExponentialDecayLengthPenalty& decay = in.exponential_decay_length_penalty();
    out->exponential_decay_length_penalty = {decay.start_index(), decay.decay_factor()};
  }
}

void SetTokens(const std::vector<TokenId>& ids, v1::TokenIds* message) {
  message->mutable_ids()->Assign(ids.begin(), ids.end());
}

void SetSequences(const DecodeParams& params, v1::GenerationOptions* out) {
  for (const std::vector<TokenId>& word : params.bad_words) {
    SetTokens(word, out->mutable_bad_words_ids()->add_values());
  }
  for (const auto& [tokens, bias] : params.sequence_bias) {
    v1::SequenceBias* sequence = out->mutable_sequence_bias()->add_values();
    SetTokens(tokens, sequence->mutable_tokens());
    sequence->set_bias(bias);
  }
  if (params.length_decay) {
    auto* decay = out->mutable_exponential_decay_length_penalty();
    decay->set_start_index(params.length_decay->start_index);
    decay->set_decay_factor(params.length_decay->decay_factor);
  }
}

// For both messages that have alternatives.
template <typename Message>
void SetAlternatives(const GeneratedToken& token, Message* message) {
  for (const TokenLogprob& top : token.top) {
    v1::TokenLogprob* alternative = message->add_alternatives();
    alternative->set_token(top.token);
    alternative->set_logprob(top.logprob);
  }
}

}  // namespace

absl::StatusOr<GenerationOptions> FromProto(const v1::GenerationOptions& in) {
  const auto early_stopping = FromProto(in.early_stopping());
  if (!early_stopping.ok()) return early_stopping.status();
  GenerationOptions out;
  if (in.has_max_new_tokens()) out.max_new_tokens = in.max_new_tokens();
  if (in.has_max_length()) out.max_length = in.max_length();
  if (in.has_min_new_tokens()) out.min_new_tokens = in.min_new_tokens();
  if (in.has_min_length()) out.min_length = in.min_length();
  if (in.has_num_beams()) out.num_beams = in.num_beams();
  if (in.has_num_return_sequences()) out.num_return_sequences = in.num_return_sequences();
  if (in.has_length_penalty()) out.length_penalty = in.length_penalty();
  out.early_stopping = *early_stopping;
  if (in.has_renormalize_logits()) out.renormalize_logits = in.renormalize_logits();
  if (in.has_do_sample()) out.do_sample = in.do_sample();
  if (in.has_temperature()) out.temperature = in.temperature();
  if (in.has_top_k()) out.top_k = in.top_k();
  if (in.has_top_p()) out.top_p = in.top_p();
  if (in.has_min_p()) out.min_p = in.min_p();
  if (in.has_typical_p()) out.typical_p = in.typical_p();
  if (in.has_epsilon_cutoff()) out.epsilon_cutoff = in.epsilon_cutoff();
  if (in.has_eta_cutoff()) out.eta_cutoff = in.eta_cutoff();
  if (in.has_seed()) out.seed = in.seed();
  ReadRepetition(in, &out);
  ReadSequences(in, &out);
  if (in.has_suppress_tokens()) out.suppress_tokens = Ids(in.suppress_tokens());
  if (in.has_begin_suppress_tokens()) out.begin_suppress_tokens = Ids(in.begin_suppress_tokens());
  if (in.has_eos_token_ids()) out.eos_token_ids = Ids(in.eos_token_ids());
  if (in.has_stop_sequences()) {
    const auto& values = in.stop_sequences().values();
    out.stop_sequences.emplace(values.begin(), values.end());
  }
  if (in.has_forced_bos_token_id()) out.forced_bos_token_id = in.forced_bos_token_id();
  if (in.has_forced_eos_token_id()) out.forced_eos_token_id = in.forced_eos_token_id();
  return out;
}

GenerationOptions FromConfig(const config::GenerationConfig& in) {
  GenerationOptions out;
  out.max_new_tokens = in.max_new_tokens;
  out.max_length = in.max_length;
  out.min_new_tokens = in.min_new_tokens;
  out.min_length = in.min_length;
  out.num_beams = in.num_beams;
  out.num_return_sequences = in.num_return_sequences;
  out.length_penalty = in.length_penalty;
  if (in.early_stopping) out.early_stopping = EarlyStoppingOf(*in.early_stopping);
  out.renormalize_logits = in.renormalize_logits;
  out.do_sample = in.do_sample;
  out.temperature = in.temperature;
  out.top_k = in.top_k;
  out.top_p = in.top_p;
  out.min_p = in.min_p;
  out.typical_p = in.typical_p;
  out.epsilon_cutoff = in.epsilon_cutoff;
  out.eta_cutoff = in.eta_cutoff;
  out.seed = in.seed;
  out.repetition_penalty = in.repetition_penalty;
  out.encoder_repetition_penalty = in.encoder_repetition_penalty;
  out.no_repeat_ngram_size = in.no_repeat_ngram_size;
  out.encoder_no_repeat_ngram_size = in.encoder_no_repeat_ngram_size;
  out.bad_words_ids = in.bad_words_ids;
  if (in.sequence_bias) {
    out.sequence_bias.emplace();
    for (const auto& [tokens, bias] : *in.sequence_bias) {
      out.sequence_bias->push_back({tokens, bias});
    }
  }
  out.suppress_tokens = in.suppress_tokens;
  out.begin_suppress_tokens = in.begin_suppress_tokens;
  out.eos_token_ids = in.eos_token_ids;
  out.stop_sequences = in.stop_sequences;
  out.forced_bos_token_id = in.forced_bos_token_id;
  out.forced_eos_token_id = in.forced_eos_token_id;
  if (const auto& decay = in.exponential_decay_length_penalty) {
    out.exponential_decay_length_penalty = {decay->start_index, decay->decay_factor};
  }
  return out;
}

v1::GenerationOptions ToProto(const DecodeParams& params) {
  v1::GenerationOptions out;
  out.set_max_new_tokens(params.max_new_tokens);
  out.set_min_new_tokens(params.min_new_tokens);
  out.set_num_beams(params.num_beams);
  out.set_num_return_sequences(params.num_sequences);
  if (params.beam_search()) {
    out.set_length_penalty(params.length_penalty);
    out.set_early_stopping(ToProto(params.early_stopping));
    out.set_renormalize_logits(params.renormalize_logits);
  }
  out.set_do_sample(params.do_sample);
  out.set_repetition_penalty(params.repetition_penalty);
  out.set_encoder_repetition_penalty(params.encoder_repetition_penalty);
  out.set_no_repeat_ngram_size(params.no_repeat_ngram_size);
  out.set_encoder_no_repeat_ngram_size(params.encoder_no_repeat_ngram_size);
  SetSequences(params, &out);
  SetTokens(params.eos_tokens, out.mutable_eos_token_ids());
  if (!params.suppress_tokens.empty()) {
    SetTokens(params.suppress_tokens, out.mutable_suppress_tokens());
  }
  if (!params.begin_suppress_tokens.empty()) {
    SetTokens(params.begin_suppress_tokens, out.mutable_begin_suppress_tokens());
  }
  if (params.forced_bos_token) out.set_forced_bos_token_id(*params.forced_bos_token);
  if (params.forced_eos_token) out.set_forced_eos_token_id(*params.forced_eos_token);
  if (!params.stop_sequences.empty()) {
    out.mutable_stop_sequences()->mutable_values()->Assign(params.stop_sequences.begin(),
                                                           params.stop_sequences.end());
  }
  return out;
}

void SetSampling(const DecodeParams& params, v1::GenerationOptions* options) {
  options->set_temperature(params.temperature);
  options->set_top_k(params.top_k);
  options->set_top_p(params.top_p);
  options->set_min_p(params.min_p);
  options->set_typical_p(params.typical_p);
  options->set_epsilon_cutoff(params.epsilon_cutoff);
  options->set_eta_cutoff(params.eta_cutoff);
}

std::optional<Pooling> FromProto(v1::Pooling pooling) {
  switch (pooling) {
    case v1::POOLING_UNSPECIFIED:
    case v1::POOLING_MEAN: return Pooling::kMean;
    case v1::POOLING_FIRST: return Pooling::kFirst;
    case v1::POOLING_LAST: return Pooling::kLast;
    case v1::POOLING_ALL: return Pooling::kAll;
    default: return std::nullopt;
  }
}

v1::FinishReason ToProto(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEos: return v1::FINISH_REASON_EOS;
    case FinishReason::kLength: return v1::FINISH_REASON_LENGTH;
    case FinishReason::kStopSequence: return v1::FINISH_REASON_STOP_SEQUENCE;
  }
  return v1::FINISH_REASON_UNSPECIFIED;
}

void ToProto(const Hypothesis& hypothesis, std::string text, OutputParts parts,
             v1::Hypothesis* message) {
  message->set_text(std::move(text));
  message->set_score(hypothesis.score);
  message->set_finish_reason(ToProto(hypothesis.finish_reason));
  const int size = static_cast<int>(hypothesis.tokens.size());
  if (parts.tokens) {
    auto* ids = message->mutable_tokens()->mutable_ids();
    ids->Reserve(size);
    for (const GeneratedToken& token : hypothesis.tokens) ids->AddAlreadyReserved(token.token);
  }
  if (parts.token_logprobs) {
    message->mutable_token_logprobs()->Reserve(size);
    for (const GeneratedToken& token : hypothesis.tokens) {
      message->mutable_token_logprobs()->AddAlreadyReserved(token.logprob);
    }
  }
  if (parts.top_logprobs) {
    for (const GeneratedToken& token : hypothesis.tokens) {
      SetAlternatives(token, message->add_top_logprobs());
    }
  }
  if (hypothesis.eos && (parts.token_logprobs || parts.top_logprobs)) {
    v1::FinalToken* eos = message->mutable_eos();
    eos->set_token(hypothesis.eos->token);
    eos->set_logprob(hypothesis.eos->logprob);
    if (parts.top_logprobs) SetAlternatives(*hypothesis.eos, eos);
  }
}

void ToProto(const Result& result, std::vector<std::string> texts, OutputParts parts,
             v1::GenerateResponse* response) {
  size_t generated = 0;
  for (size_t i = 0; i < result.hypotheses.size(); ++i) {
    generated += result.hypotheses[i].tokens.size();
    ToProto(result.hypotheses[i], std::move(texts[i]), parts, response->add_hypotheses());
  }
  response->mutable_usage()->set_generated_tokens(static_cast<int32_t>(generated));
}

void ToProto(const Result& result, v1::ScoreResponse* response) {
  size_t scored = 0;
  for (const Hypothesis& target : result.hypotheses) {
    scored += target.tokens.size();
    v1::TargetScore* score = response->add_scores();
    for (const GeneratedToken& token : target.tokens) {
      score->mutable_tokens()->add_ids(token.token);
      score->add_token_logprobs(token.logprob);
    }
    score->set_score(target.score);
  }
  response->mutable_usage()->set_scored_tokens(static_cast<int32_t>(scored));
}

void ToProto(const Result& result, int32_t width, bool normalize, v1::EncodeResponse* response) {
  for (size_t begin = 0; begin < result.states.size(); begin += width) {
    const auto state = absl::MakeConstSpan(result.states).subspan(begin, width);
    double squares = 0.0;
    for (const float value : state) squares += double{value} * value;
    const double length = normalize ? std::max(std::sqrt(squares), 1e-12) : 1.0;
    auto* values = response->add_states()->mutable_values();
    values->Reserve(width);
    for (const float value : state) values->AddAlreadyReserved(static_cast<float>(value / length));
  }
}

void ToProto(const Result& result, v1::Usage* usage) {
  usage->set_source_tokens(result.source_tokens);
  usage->set_encoder_reused(result.encoder_reused);
}

std::vector<TokenId> TokensOf(const Hypothesis& hypothesis) {
  std::vector<TokenId> tokens;
  tokens.reserve(hypothesis.tokens.size());
  for (const GeneratedToken& token : hypothesis.tokens) tokens.push_back(token.token);
  return tokens;
}

}  // namespace transept::server
