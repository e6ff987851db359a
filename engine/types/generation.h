// How a request wants its tokens chosen. Names and meaning are those of transformers'
// GenerationConfig (5.17).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/types/model_spec.h"

namespace transept {

// Most alternatives that can be reported with each token.
inline constexpr int32_t kMaxTopLogprobs = 20;

// When beam search is over: once no running beam is likely to beat the worst finished one, once
// num_beams have finished, or once no running beam can beat the worst finished one.
enum class EarlyStopping : uint8_t { kFalse, kTrue, kNever };

// Most beams of a request, and most continuations that a step of beam search chooses among.
inline constexpr int32_t kMaxBeams = 16;
inline constexpr int32_t kMaxBeamCandidates = 64;

// Most tokens of the sequences of bad_words_ids and sequence_bias, together.
inline constexpr int32_t kMaxSequenceTokens = 2048;

// Added to the score of the sequence's last token wherever that would complete the sequence.
struct SequenceBias {
  std::vector<TokenId> tokens;  // not empty
  float bias = 0.0f;            // finite

  bool operator==(const SequenceBias&) const = default;
};

// Once n > start_index tokens are generated, the next one's EOS scores rise by their size times
// decay_factor^(n - start_index) - 1.
struct LengthDecay {
  int32_t start_index = 0;    // >= 0
  float decay_factor = 1.0f;  // > 0

  bool operator==(const LengthDecay&) const = default;
};

// Options as somebody gave them: each may be unset. Layers of them (the request, the server's
// configuration, the checkpoint's generation_config.json) are merged by ResolveOptions
// (engine/decode/options.h) into DecodeParams.
struct GenerationOptions {
  std::optional<int32_t> max_new_tokens;  // >= 1
  std::optional<int32_t> max_length;      // >= 1, counts the decoder start and the target prefix
  std::optional<int32_t> min_new_tokens;  // >= 0
  std::optional<int32_t> min_length;      // >= 0, counts like max_length
  std::optional<int32_t> num_beams;
  std::optional<int32_t> num_return_sequences;
  std::optional<float> length_penalty;
  std::optional<EarlyStopping> early_stopping;
  std::optional<bool> renormalize_logits;
  std::optional<bool> do_sample;
  std::optional<float> temperature;     // > 0
  std::optional<int32_t> top_k;         // >= 0, 0 = off
  std::optional<float> top_p;           // (0, 1]
  std::optional<float> min_p;           // [0, 1]
  std::optional<float> typical_p;       // (0, 1]
  std::optional<float> epsilon_cutoff;  // [0, 1)
  std::optional<float> eta_cutoff;      // [0, 1)
  std::optional<uint64_t> seed;
  std::optional<float> repetition_penalty;              // > 0
  std::optional<float> encoder_repetition_penalty;      // > 0
  std::optional<int32_t> no_repeat_ngram_size;          // >= 0, 0 = off
  std::optional<int32_t> encoder_no_repeat_ngram_size;  // >= 0, 0 = off
  std::optional<std::vector<std::vector<TokenId>>> bad_words_ids;
  std::optional<std::vector<SequenceBias>> sequence_bias;
  std::optional<LengthDecay> exponential_decay_length_penalty;
  std::optional<std::vector<TokenId>> suppress_tokens;
  std::optional<std::vector<TokenId>> begin_suppress_tokens;
  std::optional<std::vector<TokenId>> eos_token_ids;
  std::optional<std::vector<std::string>> stop_sequences;
  std::optional<TokenId> forced_bos_token_id;
  std::optional<TokenId> forced_eos_token_id;
};

// The options after merging, defaults filled in and validated against the model. Plain values: what
// the decoding chain (engine/decode) and the scheduler read.
struct DecodeParams {
  int32_t max_new_tokens = 20;
  int32_t min_new_tokens = 0;
  int32_t num_beams = 1;      // 1 = greedy search or sampling
  int32_t num_sequences = 1;  // outputs: independent samples, or at most num_beams beams
  float length_penalty = 1.0f;
  EarlyStopping early_stopping = EarlyStopping::kFalse;
  bool renormalize_logits = false;  // without beams it changes nothing
  bool do_sample = false;
  float temperature = 1.0f;
  int32_t top_k = 0;  // 0 = off
  float top_p = 1.0f;
  float min_p = 0.0f;
  float typical_p = 1.0f;
  float epsilon_cutoff = 0.0f;
  float eta_cutoff = 0.0f;
  uint64_t seed = 0;
  float repetition_penalty = 1.0f;
  float encoder_repetition_penalty = 1.0f;
  int32_t no_repeat_ngram_size = 0;
  int32_t encoder_no_repeat_ngram_size = 0;
  std::vector<std::vector<TokenId>> bad_words;  // none is empty, nor just an EOS token
  std::vector<SequenceBias> sequence_bias;      // no sequence twice
  std::optional<LengthDecay> length_decay;
  std::vector<TokenId> suppress_tokens;
  std::vector<TokenId> begin_suppress_tokens;
  std::vector<TokenId> eos_tokens;  // never empty
  std::vector<std::string> stop_sequences;
  std::optional<TokenId> forced_bos_token;
  std::optional<TokenId> forced_eos_token;
  int32_t top_logprobs = 0;  // alternatives reported for each token, at most kMaxTopLogprobs

  bool beam_search() const { return num_beams > 1; }
  // Decoder rows of the request.
  int32_t rows() const { return beam_search() ? num_beams : num_sequences; }
  // Continuations that a step of beam search chooses: enough for num_beams that are no EOS.
  int32_t beam_candidates() const {
    const int32_t each = 1 + static_cast<int32_t>(eos_tokens.size());
    return num_beams * (each < 2 ? 2 : each);
  }
  // Tokens that every sampling filter leaves at least: in beam search one more than can end a beam.
  int32_t min_tokens_to_keep() const {
    return beam_search() ? 1 + static_cast<int32_t>(eos_tokens.size()) : 1;
  }
};

}  // namespace transept
