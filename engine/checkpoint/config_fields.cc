#include "engine/checkpoint/config_fields.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace transept {

template <typename T>
std::optional<T> ConfigFields::Keep(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  status_.Update(value.status());
  return std::nullopt;
}

JsonView ConfigFields::Get(std::string_view name) const {
  asked_.emplace(name);
  return object_[name];
}

std::vector<std::string> ConfigFields::Unread() const {
  std::vector<std::string> names = object_.Keys();
  std::erase_if(names, [this](const std::string& name) {
    return asked_.contains(name) || !object_[name].exists();
  });
  return names;
}

void ConfigFields::Reject(std::string_view name, std::string_view message) {
  status_.Update(Get(name).Error(message));
}

std::optional<int32_t> ConfigFields::Int(std::string_view name, Range<int32_t> range) {
  if (!Has(name)) return std::nullopt;
  const std::optional<int64_t> number = Keep(Get(name).AsInt(range.min, range.max));
  if (!number) return std::nullopt;
  return static_cast<int32_t>(*number);
}

std::optional<float> ConfigFields::Float(std::string_view name, Range<float> range) {
  if (!Has(name)) return std::nullopt;
  const std::optional<double> number = Keep(Get(name).AsDouble());
  if (!number) return std::nullopt;
  if (*number >= range.min && *number <= range.max) {
    const float value = static_cast<float>(*number);
    // Compared as the float that is kept: a tiny number may have become 0.
    if (!range.open_min || value > range.min) return value;
  }
  Reject(name,
         absl::StrCat("must lie in ", range.open_min ? "(" : "[", range.min, ", ", range.max, "]"));
  return std::nullopt;
}

std::optional<bool> ConfigFields::Bool(std::string_view name) {
  if (!Has(name)) return std::nullopt;
  return Keep(Get(name).AsBool());
}

std::optional<std::string> ConfigFields::String(std::string_view name) {
  if (!Has(name)) return std::nullopt;
  return Keep(Get(name).AsString());
}

std::optional<std::vector<int32_t>> ConfigFields::Ints(std::string_view name,
                                                       Range<int32_t> range) {
  const JsonView field = Get(name);
  if (!field.exists()) return std::nullopt;
  const size_t count = field.is_array() ? field.size() : 1;
  std::vector<int32_t> numbers;
  for (size_t i = 0; i < count; ++i) {
    const JsonView element = field.is_array() ? field[i] : field;
    const std::optional<int64_t> number = Keep(element.AsInt(range.min, range.max));
    if (!number) return std::nullopt;
    numbers.push_back(static_cast<int32_t>(*number));
  }
  return numbers;
}

std::optional<std::vector<std::string>> ConfigFields::Strings(std::string_view name) {
  const JsonView field = Get(name);
  if (!field.exists()) return std::nullopt;
  const size_t count = field.is_array() ? field.size() : 1;
  std::vector<std::string> strings;
  for (size_t i = 0; i < count; ++i) {
    const JsonView element = field.is_array() ? field[i] : field;
    std::optional<std::string> text = Keep(element.AsString());
    if (!text) return std::nullopt;
    strings.push_back(*std::move(text));
  }
  return strings;
}

}  // namespace transept
