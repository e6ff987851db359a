#include "config/settings.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace transept::config {
namespace {

constexpr double kMillion = 1'000'000;

Limits Range(double min, double max) {
  return {.min = min, .max = max};
}
Limits AtLeast(double min) {
  return {.min = min};
}
Limits Above(double min) {
  return {.min = min, .above_min = true};
}
// From 0 on, below 1.
Limits Fraction() {
  return {.min = 0, .max = 1, .below_max = true};
}
Limits OneOf(std::vector<std::string_view> choices) {
  return {.choices = std::move(choices)};
}

// HOST:PORT; an IPv6 host stands in brackets.
bool IsHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed =  // gRPC wants nothing but IPv6 in brackets
      host.front() == '[' && host.back() == ']' && host.find(':') != std::string_view::npos;
  if (!bracketed && host.find_first_of("[]: /") != std::string_view::npos) return false;
  if (port.empty() || port.find_first_not_of("0123456789") != std::string_view::npos) return false;
  int number = 0;
  return absl::SimpleAtoi(absl::string_view(port.data(), port.size()), &number) && number <= 65535;
}

Limits HostPort() {
  return {.form = "HOST:PORT with a port of 0 to 65535", .matches = &IsHostPort};
}

}  // namespace

template <>
std::span<const Setting<Config>> SettingsOf<Config>() {
  static const std::vector<Setting<Config>> settings = {
      {"server", &Config::server, "The gRPC edge."},
      {"models", &Config::models, "The models to serve: exactly one in this version."},
  };
  return settings;
}

template <>
std::span<const Setting<ServerConfig>> SettingsOf<ServerConfig>() {
  using S = ServerConfig;
  static const std::vector<Setting<S>> settings = {
      {"listen", &S::listen, "Address to serve gRPC on; port 0 takes any free port.", HostPort()},
      {"tokenizer_threads", &S::tokenizer_threads, "Threads that tokenize and detokenize.",
       Range(1, 256)},
      {"max_message_mib", &S::max_message_mib,
       "Largest request, in MiB; a larger one is RESOURCE_EXHAUSTED.", Range(1, 1024)},
      {"max_pending_tokenizations", &S::max_pending_tokenizations,
       "Requests that may wait for a tokenizer thread; more are RESOURCE_EXHAUSTED.",
       Range(1, kMillion)},
      {"max_outbox_tokens", &S::max_outbox_tokens,
       "Tokens that may wait for a client that does not read its stream; more end the stream with "
       "RESOURCE_EXHAUSTED.",
       Range(1, kMillion)},
      {"stalled_stream_seconds", &S::stalled_stream_seconds,
       "After a stream's last token, or once its client is too far behind, how long the client may "
       "take to read the rest before the call is cancelled.",
       Range(0.1, 86400)},
      {"max_concurrent_streams", &S::max_concurrent_streams, "Calls open on one connection.",
       Range(1, kMillion)},
      {"drain_seconds", &S::drain_seconds,
       "After SIGTERM, how long running requests may take before they end UNAVAILABLE.",
       Range(0, 86400)},
      {"shutdown_delay_seconds", &S::shutdown_delay_seconds,
       "After SIGTERM, how long to go on accepting while already reporting not ready, so that load "
       "balancers notice first.",
       Range(0, 3600)},
      {"log_level", &S::log_level,
       "The least severe messages to log. Calls that fail are info or warn, all other calls debug.",
       OneOf({"trace", "debug", "info", "warn", "error", "off"})},
  };
  return settings;
}

template <>
std::span<const Setting<ModelConfig>> SettingsOf<ModelConfig>() {
  using M = ModelConfig;
  static const std::vector<Setting<M>> settings = {
      {"name", &M::name, "Name that requests use. Empty takes the folder's name."},
      {"path", &M::path,
       "Hugging Face model folder, absolute or relative to where the server starts."},
      {"engine", &M::engine, "How the model runs."},
      {"generation", &M::generation,
       "Options for requests that leave them unset, named as in GenerationOptions. null leaves an "
       "option to the checkpoint's generation_config.json."},
  };
  return settings;
}

template <>
std::span<const Setting<EngineConfig>> SettingsOf<EngineConfig>() {
  using E = EngineConfig;
  static const std::vector<Setting<E>> settings = {
      {"device", &E::device, "Where the model runs.", OneOf({"cpu", "cuda"})},
      {"dtype", &E::dtype,
       "Type of the weights in memory. auto keeps the checkpoint's on the CPU and takes bfloat16 "
       "on a "
       "GPU. int8 is for the CPU: faster, and close to the others.",
       OneOf({"auto", "float32", "bfloat16", "float16", "int8"})},
      {"kv_cache_dtype", &E::kv_cache_dtype,
       "Type of cached keys and values. auto takes the type the device computes in; a GPU takes no "
       "other.",
       OneOf({"auto", "float32", "bfloat16", "float16"})},
      {"attention_backend", &E::attention_backend,
       "Attention implementation: cpu_simd or cpu_reference, on a GPU cuda_tensor, cuda or "
       "cuda_scalar. auto takes the first that supports the model."},
      {"threads", &E::threads, "CPU threads of one model. 0 takes one for each core.",
       Range(0, 1024)},
      {"block_size", &E::block_size, "Positions in one block of cached keys and values.",
       Range(1, 1024)},
      {"kv_cache_mib", &E::kv_cache_mib,
       "Memory for cached keys and values, in MiB, set aside at start-up. 0 takes 512 on the CPU, "
       "and on a GPU what gpu_memory_fraction leaves, but no more than max_rows of the longest "
       "sequences need.",
       Range(0, 16 * kMillion)},
      {"gpu_memory_fraction",
       &E::gpu_memory_fraction,
       "How much of a GPU's memory weights, buffers, and cached keys and values take together, "
       "while kv_cache_mib is 0.",
       {.min = 0, .max = 1, .above_min = true}},
      {"max_rows", &E::max_rows, "Sequences that decode together in one step.", Range(1, 4096)},
      {"max_encoder_tokens", &E::max_encoder_tokens,
       "Tokens that one step takes in besides one for each row: of sources, target prefixes, "
       "scored targets and histories computed again; what has more is taken in alone.",
       Range(1, kMillion)},
      {"max_queue", &E::max_queue,
       "Requests that may wait for admission; more are RESOURCE_EXHAUSTED.", Range(1, kMillion)},
      {"max_source_tokens", &E::max_source_tokens, "Longest source accepted, in tokens.",
       Range(1, kMillion)},
      {"max_new_tokens", &E::max_new_tokens, "Largest max_new_tokens a request may ask for.",
       Range(1, kMillion)},
      {"source_cache", &E::source_cache,
       "Keep the encoded form of finished sources while memory allows, for identical ones."},
      {"priority_seconds", &E::priority_seconds,
       "A request of one priority level higher counts as having arrived this much earlier.",
       Range(0, 86400)},
  };
  return settings;
}

template <>
std::span<const Setting<GenerationConfig>> SettingsOf<GenerationConfig>() {
  using G = GenerationConfig;
  const Limits token = AtLeast(0);
  static const std::vector<Setting<G>> settings = {
      {"max_new_tokens", &G::max_new_tokens, "Most tokens to generate.", AtLeast(1)},
      {"max_length", &G::max_length, "The same, counting the decoder start and the target prefix.",
       AtLeast(1)},
      {"min_new_tokens", &G::min_new_tokens, "Fewest tokens before the end of sequence.",
       AtLeast(0)},
      {"min_length", &G::min_length, "The same, counted like max_length.", AtLeast(0)},
      {"num_beams", &G::num_beams, "Beams; 1 searches greedily or samples.", Range(1, 16)},
      {"num_return_sequences", &G::num_return_sequences, "Hypotheses in the answer.", AtLeast(1)},
      {"length_penalty", &G::length_penalty,
       "Exponent on the length by which a beam's log-probability is divided."},
      {"early_stopping", &G::early_stopping,
       "Whether beam search is over as soon as there are num_beams hypotheses; never goes on until "
       "no beam can become better than those.",
       OneOf({"true", "false", "never"})},
      {"renormalize_logits", &G::renormalize_logits,
       "Beam search: normalise the scores once more after all processors."},
      {"do_sample", &G::do_sample, "Sample instead of taking the likeliest token."},
      {"temperature", &G::temperature, "Divides the logits when sampling.", Above(0)},
      {"top_k", &G::top_k, "Sample among the k likeliest tokens; 0 is off.", AtLeast(0)},
      {"top_p",
       &G::top_p,
       "Sample among the fewest tokens of this total probability.",
       {.min = 0, .max = 1, .above_min = true}},
      {"min_p", &G::min_p, "Sample among tokens at least this likely, relative to the likeliest.",
       Range(0, 1)},
      {"typical_p",
       &G::typical_p,
       "Sample among the tokens nearest to the expected information, of this total probability.",
       {.min = 0, .max = 1, .above_min = true}},
      {"epsilon_cutoff", &G::epsilon_cutoff, "Sample among tokens of at least this probability.",
       Fraction()},
      {"eta_cutoff", &G::eta_cutoff, "The same, lower where the distribution is flat.", Fraction()},
      {"seed", &G::seed, "Seed of sampling: equal requests then get equal answers."},
      {"repetition_penalty", &G::repetition_penalty, "Above 1 discourages tokens already used.",
       Above(0)},
      {"encoder_repetition_penalty", &G::encoder_repetition_penalty,
       "Above 1 favours tokens of the source.", Above(0)},
      {"no_repeat_ngram_size", &G::no_repeat_ngram_size,
       "No n-gram of this size occurs twice; 0 is off.", AtLeast(0)},
      {"encoder_no_repeat_ngram_size", &G::encoder_no_repeat_ngram_size,
       "No n-gram of this size of the source occurs; 0 is off.", AtLeast(0)},
      {"bad_words_ids", &G::bad_words_ids,
       "Sequences of token ids never generated, such as [[5], [10, 45]].", token},
      {"bad_words", &G::bad_words,
       "Texts never generated, for requests without bad_words; beside bad_words_ids."},
      {"sequence_bias", &G::sequence_bias,
       "Added to a token's score where it would complete the sequence, such as [{tokens: [10, 45], "
       "bias: -2}]."},
      {"suppress_tokens", &G::suppress_tokens, "Token ids never generated.", token},
      {"begin_suppress_tokens", &G::begin_suppress_tokens, "Token ids never generated first.",
       token},
      {"eos_token_ids", &G::eos_token_ids, "Token ids that end a sequence.", token},
      {"stop_sequences", &G::stop_sequences, "Texts that end a sequence."},
      {"forced_bos_token_id", &G::forced_bos_token_id, "Token id to generate first.", token},
      {"forced_eos_token_id", &G::forced_eos_token_id,
       "Token id to generate when the longest length is reached.", token},
      {"exponential_decay_length_penalty", &G::exponential_decay_length_penalty,
       "Raises the end's score behind start_index tokens, such as {start_index: 30, decay_factor: "
       "1.05}."},
  };
  return settings;
}

template <>
std::span<const Setting<SequenceBias>> SettingsOf<SequenceBias>() {
  using S = SequenceBias;
  static const std::vector<Setting<S>> settings = {
      {"tokens", &S::tokens, "The sequence's token ids.", AtLeast(0)},
      {"bias", &S::bias, "Positive favours it."},
  };
  return settings;
}

template <>
std::span<const Setting<ExponentialDecayLengthPenalty>>
SettingsOf<ExponentialDecayLengthPenalty>() {
  using E = ExponentialDecayLengthPenalty;
  static const std::vector<Setting<E>> settings = {
      {"start_index", &E::start_index, "Generated tokens that are free of it.", AtLeast(0)},
      {"decay_factor", &E::decay_factor, "Above 1 ends sooner.", Above(0)},
  };
  return settings;
}

std::string Describe(const Limits& limits) {
  if (!limits.choices.empty()) {
    std::string names;
    for (std::string_view choice : limits.choices) {
      names.append(names.empty() ? "one of " : ", ").append(choice);
    }
    return names;
  }
  if (limits.matches != nullptr) return std::string(limits.form);
  const bool has_min = limits.min > std::numeric_limits<double>::lowest();
  const bool has_max = limits.max < std::numeric_limits<double>::max();
  // %.0f-like output for large integers: StrCat would print 2147483647 as 2.14748e+09.
  auto number = [](double value) {
    const auto integer = static_cast<int64_t>(value);
    return static_cast<double>(integer) == value ? absl::StrCat(integer) : absl::StrCat(value);
  };
  if (has_min && has_max && !limits.above_min && !limits.below_max) {
    return absl::StrCat(number(limits.min), " to ", number(limits.max));
  }
  std::string text;
  if (has_min) text = absl::StrCat(limits.above_min ? "above " : "at least ", number(limits.min));
  if (has_max) {
    absl::StrAppend(&text, has_min ? ", " : "", limits.below_max ? "below " : "at most ",
                    number(limits.max));
  }
  return text;
}

}  // namespace transept::config
