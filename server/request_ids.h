// Names for requests that come without one.
#pragma once

#include <atomic>
#include <cstdint>
#include <random>
#include <string>

#include "absl/strings/str_format.h"

namespace transept::server {

// Thread-safe. Ids are unique within the process and, almost surely, among processes.
class RequestIds {
 public:
  RequestIds() : process_(std::random_device{}()) {}

  // Such as "8f3c12ab-00000017".
  std::string Next() {
    const uint64_t number = next_.fetch_add(1, std::memory_order_relaxed);
    return absl::StrFormat("%08x-%08x", process_, number);
  }

 private:
  const uint32_t process_;
  std::atomic<uint64_t> next_{1};
};

}  // namespace transept::server
