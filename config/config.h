// All settings, as plain structs. Defaults live here and nowhere else; ranges and the operator's
// documentation live in config/settings.cc, and config/loader.h reads both from YAML.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace transept::config {

// One model instance and the engine that runs it.
struct EngineConfig {
  std::string device = "cpu";  // "cpu" or "cuda"
  std::string dtype = "auto";  // weights: auto (as stored), float32, bfloat16, float16, int8
  std::string kv_cache_dtype = "auto";  // K/V pages: auto (the device's compute type), float32, ...
  std::string attention_backend = "auto";  // or the name of one backend
  int32_t threads = 0;                     // CPU threads of the kernels; 0 = one a core
  int32_t block_size = 16;                 // positions in one K/V block
  int64_t kv_cache_mib = 0;                // memory of the block pool; 0 = automatic
  double gpu_memory_fraction = 0.9;        // of a GPU's memory, for the model and all it needs
  int32_t max_rows = 64;                   // decoder rows in one step
  int32_t max_encoder_tokens = 2048;       // source tokens encoded in one step
  int32_t max_queue = 1024;                // requests waiting for admission
  int32_t max_source_tokens = 4096;        // longest source accepted
  int32_t max_new_tokens = 1024;           // largest max_new_tokens a request may ask for
  bool source_cache = true;                // keep cross K/V of finished sources for identical ones
  double priority_seconds = 30.0;          // one priority level counts as this much earlier arrival

  bool operator==(const EngineConfig&) const = default;
};

// Of GenerationConfig, as the messages of these names in proto/transept/v1.
struct SequenceBias {
  std::vector<int32_t> tokens;
  float bias = 0.0f;

  bool operator==(const SequenceBias&) const = default;
};
struct ExponentialDecayLengthPenalty {
  int32_t start_index = 0;
  float decay_factor = 1.0f;

  bool operator==(const ExponentialDecayLengthPenalty&) const = default;
};

// Generation options that hold for requests that leave them unset; they override the checkpoint's
// own. Names, types and meaning are those of GenerationOptions in proto/transept/v1.
struct GenerationConfig {
  std::optional<int32_t> max_new_tokens;
  std::optional<int32_t> max_length;
  std::optional<int32_t> min_new_tokens;
  std::optional<int32_t> min_length;
  std::optional<int32_t> num_beams;
  std::optional<int32_t> num_return_sequences;
  std::optional<float> length_penalty;
  std::optional<std::string> early_stopping;  // "true", "false" or "never"
  std::optional<bool> renormalize_logits;
  std::optional<bool> do_sample;
  std::optional<float> temperature;
  std::optional<int32_t> top_k;
  std::optional<float> top_p;
  std::optional<float> min_p;
  std::optional<float> typical_p;
  std::optional<float> epsilon_cutoff;
  std::optional<float> eta_cutoff;
  std::optional<uint64_t> seed;
  std::optional<float> repetition_penalty;
  std::optional<float> encoder_repetition_penalty;
  std::optional<int32_t> no_repeat_ngram_size;
  std::optional<int32_t> encoder_no_repeat_ngram_size;
  std::optional<std::vector<std::vector<int32_t>>> bad_words_ids;
  std::optional<std::vector<std::string>> bad_words;
  std::optional<std::vector<SequenceBias>> sequence_bias;
  std::optional<std::vector<int32_t>> suppress_tokens;
  std::optional<std::vector<int32_t>> begin_suppress_tokens;
  std::optional<std::vector<int32_t>> eos_token_ids;
  std::optional<std::vector<std::string>> stop_sequences;
  std::optional<int32_t> forced_bos_token_id;
  std::optional<int32_t> forced_eos_token_id;
  std::optional<ExponentialDecayLengthPenalty> exponential_decay_length_penalty;

  bool operator==(const GenerationConfig&) const = default;
};

// One model the server offers.
struct ModelConfig {
  std::string name;  // empty = the folder's name
  std::string path;  // Hugging Face folder
  EngineConfig engine;
  GenerationConfig generation;

  bool operator==(const ModelConfig&) const = default;
};

struct ServerConfig {
  std::string listen = "0.0.0.0:50051";      // port 0 = any free port
  int32_t tokenizer_threads = 2;             // workers that tokenize and detokenize
  int32_t max_message_mib = 4;               // largest request
  int32_t max_pending_tokenizations = 1024;  // requests waiting for a tokenizer worker
  int32_t max_outbox_tokens = 4096;          // tokens a stream may buffer before it is ended
  double stalled_stream_seconds = 60.0;      // for a client to read its stream after the last token
  int32_t max_concurrent_streams = 1024;     // calls on one connection
  double drain_seconds = 30.0;               // SIGTERM: time for running requests to end
  double shutdown_delay_seconds = 0.0;       // SIGTERM: not ready, but accepting, before the drain
  std::string log_level = "info";            // trace, debug, info, warn, error, off

  bool operator==(const ServerConfig&) const = default;
};

struct Config {
  ServerConfig server;
  std::vector<ModelConfig> models;  // exactly one for now

  bool operator==(const Config&) const = default;
};

}  // namespace transept::config
