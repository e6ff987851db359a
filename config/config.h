// All settings, as plain structs. Defaults live here and nowhere else; config/loader.h reads them
// from YAML and checks ranges.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace transept::config {

// One model instance and the engine that runs it.
struct EngineConfig {
  std::string device = "cpu";           // "cpu" or "cuda"
  std::string dtype = "auto";           // weights: auto (as stored), float32, bfloat16, float16
  std::string kv_cache_dtype = "auto";  // K/V pages: auto (the device's compute type), float32, ...
  std::string attention_backend = "auto";  // or the name of one backend
  int32_t threads = 0;                     // CPU threads of the kernels; 0 = one a core
  int32_t block_size = 16;                 // positions in one K/V block
  int64_t kv_cache_mib = 512;              // memory of the block pool
  int32_t max_rows = 64;                   // decoder rows in one step
  int32_t max_encoder_tokens = 2048;       // source tokens encoded in one step
  int32_t max_queue = 1024;                // requests waiting for admission
  int32_t max_source_tokens = 4096;        // longest source accepted
  int32_t max_new_tokens = 1024;           // largest max_new_tokens a request may ask for
  bool source_cache = true;                // keep cross K/V of finished sources for identical ones
  double priority_seconds = 30.0;          // one priority level counts as this much earlier arrival
};

// One model the server offers.
struct ModelConfig {
  std::string name;  // empty = the folder's name
  std::string path;  // Hugging Face folder
  EngineConfig engine;
};

struct ServerConfig {
  std::string listen = "0.0.0.0:50051";      // port 0 = any free port
  int32_t tokenizer_threads = 2;             // workers that tokenize and detokenize
  int32_t max_message_mib = 4;               // largest request
  int32_t max_pending_tokenizations = 1024;  // requests waiting for a tokenizer worker
  int32_t max_outbox_tokens = 4096;          // tokens a stream may buffer before it is ended
  int32_t max_concurrent_streams = 1024;     // calls on one connection
  double drain_seconds = 30.0;               // SIGTERM: time for running requests to end
  double shutdown_delay_seconds = 0.0;       // SIGTERM: not ready, but accepting, before the drain
  std::string log_level = "info";            // trace, debug, info, warn, error, off
};

struct Config {
  ServerConfig server;
  std::vector<ModelConfig> models;  // exactly one for now
};

}  // namespace transept::config
