#include "engine/json/json.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"

namespace transept {
namespace {

constexpr size_t kMaxPrintedValue = 80;

// Deepest nesting of arrays and objects, brackets inside strings aside. Checked before parsing, so
// that neither the parser nor anybody after it meets a deep tree.
int NestingDepth(std::string_view bytes) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const char c = bytes[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

struct JsonDocument::Content {
  nlohmann::json root;
  std::string origin;
};

JsonView::JsonView(const nlohmann::json* node, const std::string* origin, std::string path)
    : node_(node), origin_(origin), path_(std::move(path)) {}

JsonView JsonView::operator[](std::string_view key) const {
  const nlohmann::json* child = nullptr;
  if (is_object()) {
    const auto it = node_->find(std::string(key));
    if (it != node_->end()) child = &*it;
  }
  std::string path = path_.empty() ? std::string(key) : absl::StrCat(path_, ".", std::string(key));
  return JsonView(child, origin_, std::move(path));
}

JsonView JsonView::operator[](size_t index) const {
  const nlohmann::json* child = is_array() && index < node_->size() ? &(*node_)[index] : nullptr;
  return JsonView(child, origin_, absl::StrCat(path_, "[", index, "]"));
}

bool JsonView::exists() const {
  return node_ != nullptr && !node_->is_null();
}
bool JsonView::is_object() const {
  return node_ != nullptr && node_->is_object();
}
bool JsonView::is_array() const {
  return node_ != nullptr && node_->is_array();
}
bool JsonView::is_string() const {
  return node_ != nullptr && node_->is_string();
}
bool JsonView::is_number() const {
  return node_ != nullptr && node_->is_number();
}
bool JsonView::is_bool() const {
  return node_ != nullptr && node_->is_boolean();
}

size_t JsonView::size() const {
  return is_array() || is_object() ? node_->size() : 0;
}

std::vector<std::string> JsonView::Keys() const {
  std::vector<std::string> keys;
  if (!is_object()) return keys;
  for (auto it = node_->begin(); it != node_->end(); ++it) keys.push_back(it.key());
  return keys;
}

absl::StatusOr<bool> JsonView::AsBool() const {
  if (!is_bool()) return WrongType("true or false");
  return node_->get<bool>();
}

absl::StatusOr<std::string> JsonView::AsString() const {
  if (!is_string()) return WrongType("a string");
  return node_->get<std::string>();
}

absl::StatusOr<int64_t> JsonView::AsInt(int64_t min, int64_t max) const {
  if (!is_number()) return WrongType("a whole number");
  int64_t value = 0;
  bool representable = true;
  if (node_->is_number_unsigned()) {
    const uint64_t number = node_->get<uint64_t>();
    representable = number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    value = static_cast<int64_t>(number);
  } else if (node_->is_number_integer()) {
    value = node_->get<int64_t>();
  } else {
    const double number = node_->get<double>();
    if (number != std::floor(number)) return WrongType("a whole number");
    representable = number >= -0x1p63 && number < 0x1p63;
    if (representable) value = static_cast<int64_t>(number);
  }
  if (!representable || value < min || value > max) {
    return Error(absl::StrCat("must lie in [", min, ", ", max, "]"));
  }
  return value;
}

absl::StatusOr<double> JsonView::AsDouble() const {
  if (!is_number()) return WrongType("a number");
  const double value = node_->get<double>();
  if (!std::isfinite(value)) return WrongType("a finite number");
  return value;
}

absl::Status JsonView::ExpectArray() const {
  return is_array() ? absl::OkStatus() : WrongType("an array");
}

absl::Status JsonView::ExpectObject() const {
  return is_object() ? absl::OkStatus() : WrongType("an object");
}

absl::StatusOr<bool> JsonView::AsBoolOr(bool fallback) const {
  if (!exists()) return fallback;
  return AsBool();
}

absl::StatusOr<std::string> JsonView::AsStringOr(std::string_view fallback) const {
  if (!exists()) return std::string(fallback);
  return AsString();
}

absl::StatusOr<int64_t> JsonView::AsIntOr(int64_t fallback, int64_t min, int64_t max) const {
  if (!exists()) return fallback;
  return AsInt(min, max);
}

absl::StatusOr<double> JsonView::AsDoubleOr(double fallback) const {
  if (!exists()) return fallback;
  return AsDouble();
}

absl::Status JsonView::Error(std::string_view message) const {
  return absl::InvalidArgumentError(
      absl::StrCat(*origin_, ": ", path(), " is ", ToString(), ": ", std::string(message)));
}

absl::Status JsonView::WrongType(std::string_view expected) const {
  return Error(absl::StrCat("must be ", std::string(expected)));
}

std::string JsonView::path() const {
  return path_.empty() ? "the document" : path_;
}

std::string JsonView::ToString() const {
  if (node_ == nullptr) return "absent";
  // A large container is not written out only to be cut.
  if (size() > kMaxPrintedValue) {
    return absl::StrCat(is_array() ? "an array" : "an object", " of ", size(), " values");
  }
  std::string text = node_->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > kMaxPrintedValue) {
    size_t end = kMaxPrintedValue;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    text = text.substr(0, end) + "...";
  }
  return text;
}

JsonDocument::JsonDocument(std::unique_ptr<const Content> content) : content_(std::move(content)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

JsonView JsonDocument::root() const {
  return JsonView(&content_->root, &content_->origin, "");
}

absl::StatusOr<JsonDocument> JsonDocument::Parse(std::string_view bytes, std::string origin,
                                                 const JsonLimits& limits) {
  if (static_cast<int64_t>(bytes.size()) > limits.max_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        origin, ": ", bytes.size(), " bytes of JSON; the limit is ", limits.max_bytes));
  }
  const int depth = NestingDepth(bytes);
  if (depth > limits.max_depth) {
    return absl::InvalidArgumentError(absl::StrCat(
        origin, ": JSON nested ", depth, " levels deep; the limit is ", limits.max_depth));
  }
  auto content = std::make_unique<Content>();
  try {
    content->root = nlohmann::json::parse(bytes.begin(), bytes.end());
  } catch (const nlohmann::json::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(origin, ": not valid JSON: ", e.what()));
  }
  content->origin = std::move(origin);
  return JsonDocument(std::move(content));
}

absl::StatusOr<JsonDocument> JsonDocument::ReadFile(const std::string& path,
                                                    const JsonLimits& limits) {
  absl::StatusOr<std::string> bytes = ReadBoundedFile(path, limits.max_bytes);
  if (!bytes.ok()) return bytes.status();
  return Parse(*bytes, path, limits);
}

absl::StatusOr<std::string> ReadBoundedFile(const std::string& path, int64_t max_bytes) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    if (std::filesystem::is_symlink(std::filesystem::symlink_status(path, error))) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": symbolic link to nowhere"));
    }
    return absl::NotFoundError(absl::StrCat(path, ": no such file"));
  }
  if (error) return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.message()));
  if (status.type() != std::filesystem::file_type::regular) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": not a regular file"));
  }
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (error) return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.message()));
  if (size > static_cast<uintmax_t>(max_bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": ", size, " bytes; the limit is ", max_bytes));
  }
  std::ifstream file(path, std::ios::binary);
  std::string bytes(size, '\0');
  if (!file.read(bytes.data(), static_cast<std::streamsize>(size))) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read"));
  }
  return bytes;
}

}  // namespace transept
