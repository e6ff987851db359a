// What every call uses.
#pragma once

#include <chrono>
#include <cstdint>

namespace transept::server {

class CallLog;
class ModelRegistry;
class RequestIds;
class Seeds;
class WorkerPool;

// All of it outlives the calls.
struct CallServices {
  const ModelRegistry* models = nullptr;
  WorkerPool* pool = nullptr;
  RequestIds* request_ids = nullptr;
  Seeds* seeds = nullptr;
  CallLog* log = nullptr;
  int32_t max_outbox_tokens = 0;               // of one stream
  std::chrono::milliseconds stalled_stream{};  // limit of reading a stream after its last token
};

}  // namespace transept::server
