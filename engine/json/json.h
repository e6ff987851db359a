// JSON from files that nobody vouches for: bounded parsing, and typed access whose errors name the
// file, the field and the value at fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace transept {

struct JsonLimits {
  int64_t max_bytes = int64_t{16} << 20;
  int max_depth = 64;  // of nested arrays and objects
  // Members and elements in the whole document: bounds the memory that parsing takes.
  int64_t max_values = int64_t{1} << 22;
  // Python's json module writes NaN, Infinity and -Infinity, which JSON does not have. True: they
  // are read as strings of that name, so that only a field which needs a number there is an error.
  bool python_non_finite = false;
};

// Text from a file as it may stand in an error message: escaped and shortened.
std::string Printable(std::string_view text);

// One place in a document, which may turn out not to exist: `config["a"]["b"]` never fails, reading
// the value does. A view is a cheap copyable handle and must not outlive its JsonDocument.
class JsonView {
 public:
  // The member `key` of an object, or element `index` of an array. Where there is none, or this is
  // no object or array, the result is a view that does not exist.
  JsonView operator[](std::string_view key) const;
  JsonView operator[](size_t index) const;

  // False for what is absent and for null alike.
  bool exists() const;
  bool is_object() const;
  bool is_array() const;
  bool is_string() const;
  bool is_number() const;
  bool is_bool() const;

  // Elements of an array or members of an object; 0 for everything else.
  size_t size() const;
  // The members' names in byte order; none unless this is an object.
  std::vector<std::string> Keys() const;

  // The value, or INVALID_ARGUMENT: absent, of another type, or out of range.
  absl::StatusOr<bool> AsBool() const;
  absl::StatusOr<std::string> AsString() const;
  // A whole number in [min, max]. 3.0 is one, 3.5 is not.
  absl::StatusOr<int64_t> AsInt(int64_t min = std::numeric_limits<int64_t>::min(),
                                int64_t max = std::numeric_limits<int64_t>::max()) const;
  // A finite number.
  absl::StatusOr<double> AsDouble() const;
  absl::Status ExpectArray() const;
  absl::Status ExpectObject() const;

  // As above, but `fallback` where the value is absent or null.
  absl::StatusOr<bool> AsBoolOr(bool fallback) const;
  absl::StatusOr<std::string> AsStringOr(std::string_view fallback) const;
  absl::StatusOr<int64_t> AsIntOr(int64_t fallback,
                                  int64_t min = std::numeric_limits<int64_t>::min(),
                                  int64_t max = std::numeric_limits<int64_t>::max()) const;

  // INVALID_ARGUMENT "FILE: FIELD is VALUE: `message`", for checks that the caller makes.
  absl::Status Error(std::string_view message) const;

  // Such as "model.vocab[3]"; "the document" at the top.
  std::string path() const;
  // The value as JSON text, shortened; "absent" where there is none.
  std::string ToString() const;

 private:
  friend class JsonDocument;
  JsonView(const nlohmann::json* node, const std::string* origin, std::string path);
  absl::Status WrongType(std::string_view expected) const;

  const nlohmann::json* node_;  // null: does not exist
  const std::string* origin_;
  std::string path_;
};

// A parsed document. Immutable; movable, and its views stay valid across a move.
class JsonDocument {
 public:
  // INVALID_ARGUMENT names `origin` (usually a file) and, for a syntax error, line and column. A
  // name that an object has twice is an error.
  static absl::StatusOr<JsonDocument> Parse(std::string_view bytes, std::string origin,
                                            const JsonLimits& limits = {});
  // NOT_FOUND when there is no such file; INVALID_ARGUMENT when it is a link to nowhere, no regular
  // file, larger than the limit, unreadable or does not parse.
  static absl::StatusOr<JsonDocument> ReadFile(const std::string& path,
                                               const JsonLimits& limits = {});

  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;
  ~JsonDocument();

  JsonView root() const;
  JsonView operator[](std::string_view key) const { return root()[key]; }

 private:
  struct Content;
  explicit JsonDocument(std::unique_ptr<const Content> content);
  std::unique_ptr<const Content> content_;
};

// The bytes of a regular file of at most `max_bytes`. Errors as in JsonDocument::ReadFile.
absl::StatusOr<std::string> ReadBoundedFile(const std::string& path, int64_t max_bytes);

}  // namespace transept
