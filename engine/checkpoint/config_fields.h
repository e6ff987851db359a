// Typed, range-checked reading of the fields of config.json and generation_config.json.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "engine/json/json.h"

namespace transept {

// How the files that transformers writes are parsed.
inline constexpr JsonLimits kConfigLimits = {
    .max_bytes = 4 << 20, .max_depth = 32, .max_values = 1 << 18, .python_non_finite = true};

template <typename T>
struct Range {
  T min;
  T max;
  bool open_min = false;  // min itself is outside
};

// Reads fields of one object. A field that is absent or null is std::nullopt. So is a field of the
// wrong type or out of range, which also sets status(); the first error stays. A caller reads all
// it needs and then looks at status() once. Not thread-safe.
class ConfigFields {
 public:
  // The document that `object` belongs to must outlive this.
  explicit ConfigFields(JsonView object) : object_(std::move(object)) {}

  bool Has(std::string_view name) const { return Get(name).exists(); }
  JsonView Get(std::string_view name) const;

  std::optional<int32_t> Int(std::string_view name, Range<int32_t> range);
  std::optional<float> Float(std::string_view name, Range<float> range);
  std::optional<bool> Bool(std::string_view name);
  std::optional<std::string> String(std::string_view name);
  // One integer or a list of them.
  std::optional<std::vector<int32_t>> Ints(std::string_view name, Range<int32_t> range);
  // One string or a list of them.
  std::optional<std::vector<std::string>> Strings(std::string_view name);

  // Records the error "FILE: `name` is VALUE: `message`".
  void Reject(std::string_view name, std::string_view message);

  const absl::Status& status() const { return status_; }

  // The fields that nobody has asked for and that are not null, in byte order.
  std::vector<std::string> Unread() const;

 private:
  // The value, or nullopt with the error recorded.
  template <typename T>
  std::optional<T> Keep(absl::StatusOr<T> value);

  JsonView object_;
  mutable std::set<std::string, std::less<>> asked_;
  absl::Status status_;
};

}  // namespace transept
