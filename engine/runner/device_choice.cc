#include "engine/runner/device_choice.h"

#include <algorithm>
#include <vector>

#include "engine/decode/processors.h"
#include "engine/types/require.h"

namespace transept {
namespace {

using kernels::cuda::BitOf;
using kernels::cuda::kMaxTopTokens;
using kernels::cuda::RowChoice;
using kernels::cuda::SequenceRule;
using kernels::cuda::SequenceRules;
using kernels::cuda::TokenSet;

static_assert(kMaxTopTokens == kMaxTopLogprobs);
static_assert(kernels::cuda::kMaxBeams == kMaxBeams);
static_assert(kernels::cuda::kMaxContinuations == kMaxBeamCandidates);
static_assert(kernels::cuda::kMaxSequenceTokens == kMaxSequenceTokens);

// Has the device run a link of the chain (LogitsProcessors).
void Add(Processor processor, const DecodeParams& params, const RowPosition& position,
         const SourceView& source, RowChoice* choice) {
  switch (processor) {
    case Processor::kSequenceBias:
      choice->biased_sequences = static_cast<int32_t>(params.sequence_bias.size());
      return;
    case Processor::kEncoderRepetitionPenalty:
      choice->source_penalty = SourcePenalty(params);
      return;
    case Processor::kRepetitionPenalty:
      choice->repetition_penalty = params.repetition_penalty;
      return;
    case Processor::kNoRepeatNgram:
      choice->no_repeat_ngram_size = params.no_repeat_ngram_size;
      return;
    case Processor::kEncoderNoRepeatNgram:
      choice->source_ngram_size = params.encoder_no_repeat_ngram_size;
      choice->source_length = source.length;
      return;
    case Processor::kBadWords:
      choice->banned_sequences = static_cast<int32_t>(params.bad_words.size());
      return;
    case Processor::kMinNewTokens: choice->banned_sets |= BitOf(TokenSet::kEos); return;
    // What is forced undoes the bans in front of it.
    case Processor::kForcedBos:
      choice->forced_token = *params.forced_bos_token;
      choice->banned_sets = 0;
      return;
    case Processor::kForcedEos:
      choice->forced_token = *params.forced_eos_token;
      choice->banned_sets = 0;
      return;
    case Processor::kLengthDecay: choice->eos_raise = DecayOf(params, position); return;
    case Processor::kSuppressTokens: choice->banned_sets |= BitOf(TokenSet::kSuppressed); return;
    case Processor::kBeginSuppressTokens:
      choice->banned_sets |= BitOf(TokenSet::kBeginSuppressed);
      return;
  }
}

// Whether a processor does the same to logits as to their log-probabilities, which are less by one
// number for all tokens. Sums round otherwise, but not so that it counts where what is left is
// normalised again. What is forced depends on neither.
bool TakesLogits(Processor processor, bool renormalize) {
  switch (processor) {
    case Processor::kEncoderRepetitionPenalty:
    case Processor::kRepetitionPenalty:
    case Processor::kLengthDecay: return false;
    case Processor::kSequenceBias: return renormalize;
    case Processor::kNoRepeatNgram:
    case Processor::kEncoderNoRepeatNgram:
    case Processor::kBadWords:
    case Processor::kMinNewTokens:
    case Processor::kForcedBos:
    case Processor::kForcedEos:
    case Processor::kSuppressTokens:
    case Processor::kBeginSuppressTokens: return true;
  }
  return false;
}

// In beam search the processors work on log-probabilities. To normalise all of a row before them is
// wasted on those that take logits, and on what a forced token undoes; but for draws, which need
// the whole row anyway.
void AddBeams(const RowPlan& row, const RowPosition& position, RowChoice* choice) {
  const DecodeParams& params = *row.params;
  choice->beams = params.num_beams;
  choice->beam_candidates = params.beam_candidates();
  choice->beam_score = row.beam_score;
  choice->min_tokens_to_keep = params.min_tokens_to_keep();
  choice->renormalize = params.renormalize_logits;
  choice->on_log_probs = params.do_sample;
  if (choice->forced_token >= 0) return;
  for (const LogitsProcessor& link : LogitsProcessors()) {
    if (!link.applies(params, position)) continue;
    if (!TakesLogits(link.id, choice->renormalize)) choice->on_log_probs = true;
  }
}

}  // namespace

RowChoice ChoiceOf(const RowPlan& row, const SourceView& source) {
  const DecodeParams& params = *row.params;
  Require(params.top_logprobs <= kMaxTopTokens, "more alternatives than there is room for");
  const auto fed = static_cast<int32_t>(std::max<size_t>(row.tokens.size(), 1));
  const RowPosition position{.length = row.first_position + fed,
                             .prompt_length = row.prompt_length};
  RowChoice choice{.slot = row.slot,
                   .length = position.length,
                   .top_tokens = params.top_logprobs,
                   .sample = params.do_sample,
                   .temperature = params.temperature,
                   .top_k = params.top_k,
                   .top_p = params.top_p,
                   .min_p = params.min_p,
                   .typical_p = params.typical_p,
                   .epsilon_cutoff = params.epsilon_cutoff,
                   .eta_cutoff = params.eta_cutoff,
                   .seed = params.seed,
                   .hypothesis = static_cast<uint32_t>(row.hypothesis)};
  for (const LogitsProcessor& link : LogitsProcessors()) {
    if (link.applies(params, position)) Add(link.id, params, position, source, &choice);
  }
  if (params.beam_search()) AddBeams(row, position, &choice);
  return choice;
}

absl::Span<const TokenId> TokensOf(const DecodeParams& params, absl::Span<const TokenId> source,
                                   TokenSet set) {
  switch (set) {
    case TokenSet::kEos:
      if (params.min_new_tokens == 0 && !params.length_decay && !params.beam_search()) return {};
      return params.eos_tokens;
    case TokenSet::kSuppressed: return params.suppress_tokens;
    case TokenSet::kBeginSuppressed: return params.begin_suppress_tokens;
    case TokenSet::kSource:
      if (params.encoder_repetition_penalty == 1.0f) return {};
      return source;
  }
  return {};
}

void FillRules(const DecodeParams& params, SequenceRules* rules) {
  std::vector<const SequenceBias*> biased;
  for (const SequenceBias& sequence : params.sequence_bias) biased.push_back(&sequence);
  std::stable_sort(biased.begin(), biased.end(), [](const SequenceBias* a, const SequenceBias* b) {
    return a->tokens.back() < b->tokens.back();
  });
  SequenceRule* rule = rules->rules;
  int32_t used = 0;
  int32_t total = 0;
  const auto add = [&](absl::Span<const TokenId> tokens, float bias) {
    total += static_cast<int32_t>(tokens.size());
    Require(!tokens.empty() && total <= kMaxSequenceTokens, "sequences longer than is allowed");
    *rule++ = {.last = tokens.back(), .prefix = used, .bias = bias};
    std::copy(tokens.begin(), tokens.end() - 1, rules->prefixes + used);
    used += static_cast<int32_t>(tokens.size()) - 1;
  };
  for (const SequenceBias* sequence : biased) add(sequence->tokens, sequence->bias);
  for (const std::vector<TokenId>& word : params.bad_words) add(word, 0.0f);
  *rule = {.prefix = used};
}

}  // namespace transept
