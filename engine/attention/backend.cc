#include "engine/attention/backend.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/attention/cpu_backends.h"
#include "engine/attention/cuda_backends.h"

namespace transept {
namespace {

absl::string_view ToAbsl(std::string_view s) {
  return {s.data(), s.size()};
}

}  // namespace

const char* Name(Device device) {
  return device == Device::kCpu ? "cpu" : "cuda";
}

absl::Span<const AttentionBackend* const> AttentionBackends(Device device) {
  return device == Device::kCpu ? CpuAttentionBackends() : CudaAttentionBackends();
}

absl::StatusOr<const AttentionBackend*> SelectBackend(const AttentionSpec& spec, Device device,
                                                      std::string_view name,
                                                      std::set<std::string>* passed_over) {
  std::vector<std::string> reasons;
  std::vector<absl::string_view> known;
  bool found = false;
  for (const AttentionBackend* backend : AttentionBackends(device)) {
    known.push_back(ToAbsl(backend->name()));
    if (name != "auto" && name != backend->name()) continue;
    found = true;
    const absl::Status status = backend->Supports(spec);
    if (status.ok()) {
      if (passed_over != nullptr) passed_over->insert(reasons.begin(), reasons.end());
      return backend;
    }
    reasons.push_back(absl::StrCat(ToAbsl(backend->name()), ": ", status.message()));
  }
  if (name != "auto" && !found) {
    return absl::InvalidArgumentError(absl::StrCat("attention_backend: '", ToAbsl(name),
                                                   "' is not a backend of device ", Name(device),
                                                   "; known: ", absl::StrJoin(known, ", ")));
  }
  return absl::FailedPreconditionError(
      absl::StrCat("no attention backend of device ", Name(device), " supports ", DebugString(spec),
                   " (", reasons.empty() ? "there is none" : absl::StrJoin(reasons, "; "), ")"));
}

}  // namespace transept
