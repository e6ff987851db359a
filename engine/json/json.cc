#include "engine/json/json.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace transept {
namespace {

constexpr size_t kMaxPrintedValue = 80;
constexpr size_t kMaxPrintedPath = 200;
constexpr size_t kMaxPrintedError = 200;

constexpr std::string_view kNonFinite[] = {"NaN", "Infinity", "-Infinity"};

// The token of kNonFinite that `text` starts with, or "".
std::string_view NonFiniteToken(std::string_view text) {
  for (const std::string_view token : kNonFinite) {
    if (text.substr(0, token.size()) == token) return token;
  }
  return {};
}

// What a document is about to cost, and where it departs from JSON. Known before parsing, so that
// neither the parser nor anybody after it meets a deep or overcrowded tree.
struct Outline {
  int depth = 0;       // deepest nesting of arrays and objects
  int64_t values = 0;  // an upper bound of members and elements
  struct Token {
    size_t begin;
    size_t size;
  };
  std::vector<Token> non_finite;  // in order
};

// Knows strings, brackets and separators; everything else is the parser's business.
Outline Scan(std::string_view bytes) {
  Outline outline;
  int depth = 0;
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
      outline.depth = std::max(outline.depth, ++depth);
      ++outline.values;
    } else if (c == ']' || c == '}') {
      --depth;
    } else if (c == ',') {
      ++outline.values;
    } else if (const size_t size = NonFiniteToken(bytes.substr(i)).size(); size > 0) {
      outline.non_finite.push_back({i, size});
      i += size - 1;
    }
  }
  return outline;
}

// `bytes` with its non-finite tokens put in quotes.
std::string QuoteNonFinite(std::string_view bytes, const Outline& outline) {
  std::string quoted;
  size_t done = 0;
  for (const Outline::Token& token : outline.non_finite) {
    quoted.append(bytes.substr(done, token.begin - done));
    quoted.append("\"").append(bytes.substr(token.begin, token.size)).append("\"");
    done = token.begin + token.size;
  }
  return quoted.append(bytes.substr(done));
}

// A parser callback that finds names which an object has twice. Objects nest, so one set of names
// for each depth will do.
class DuplicateFinder {
 public:
  bool operator()(int depth, nlohmann::json::parse_event_t event, const nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    const size_t level = static_cast<size_t>(depth);
    if (event == Event::object_start) {
      // The names of an object that starts at this depth are reported one level deeper.
      if (names_.size() < level + 2) names_.resize(level + 2);
      names_[level + 1].clear();
    } else if (event == Event::key && !duplicate_) {
      const std::string& name = value.get_ref<const std::string&>();
      if (!names_[level].insert(name).second) duplicate_ = name;
    }
    return true;
  }

  const std::optional<std::string>& duplicate() const { return duplicate_; }

 private:
  std::vector<std::unordered_set<std::string>> names_;
  std::optional<std::string> duplicate_;
};

// The first `max_bytes` of `text` or a little less, so that no UTF-8 character is cut.
std::string Shorten(std::string text, size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

}  // namespace

std::string Printable(std::string_view text) {
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(Shorten(std::string(text), kMaxPrintedValue)),
                      "\"");
}

// An empty document is made without an exception, which clang-tidy does not see of nlohmann::json.
struct JsonDocument::Content {  // NOLINT(bugprone-exception-escape)
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

absl::Status JsonView::Error(std::string_view message) const {
  return absl::InvalidArgumentError(
      absl::StrCat(*origin_, ": ", absl::Utf8SafeCHexEscape(Shorten(path(), kMaxPrintedPath)),
                   " is ", ToString(), ": ", std::string(message)));
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
  return Shorten(std::move(text), kMaxPrintedValue);
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
  const Outline outline = Scan(bytes);
  if (outline.depth > limits.max_depth) {
    return absl::InvalidArgumentError(absl::StrCat(
        origin, ": JSON nested ", outline.depth, " levels deep; the limit is ", limits.max_depth));
  }
  if (outline.values > limits.max_values) {
    return absl::InvalidArgumentError(absl::StrCat(
        origin, ": ", outline.values, " values in JSON; the limit is ", limits.max_values));
  }
  std::string quoted;
  if (limits.python_non_finite && !outline.non_finite.empty()) {
    quoted = QuoteNonFinite(bytes, outline);
    bytes = quoted;
  }
  auto content = std::make_unique<Content>();
  DuplicateFinder finder;
  try {
    content->root = nlohmann::json::parse(bytes.begin(), bytes.end(), std::ref(finder));
  } catch (const nlohmann::json::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(
        origin, ": not valid JSON: ", absl::CHexEscape(Shorten(e.what(), kMaxPrintedError))));
  }
  if (finder.duplicate()) {
    return absl::InvalidArgumentError(absl::StrCat(origin, ": ", Printable(*finder.duplicate()),
                                                   " is given twice in one object"));
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
