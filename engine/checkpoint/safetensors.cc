#include "engine/checkpoint/safetensors.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "engine/json/json.h"

namespace transept {
namespace {

constexpr size_t kLengthBytes = 8;
constexpr JsonLimits kHeaderLimits = {.max_bytes = 32 << 20, .max_depth = 8, .max_values = 1 << 20};
constexpr size_t kMaxRank = 8;

// Bytes of one element; nullopt for types that the format may have learned since.
std::optional<size_t> ElementSize(std::string_view dtype) {
  static constexpr std::pair<std::string_view, size_t> kSizes[] = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},     {"U32", 4},
      {"F32", 4},  {"I64", 8}, {"U64", 8}, {"F64", 8}};
  for (const auto& [name, size] : kSizes) {
    if (name == dtype) return size;
  }
  return std::nullopt;
}

// One tensor's fields. The offsets count from the start of the data.
absl::StatusOr<SafetensorsEntry> ReadEntry(const JsonView& json) {
  SafetensorsEntry entry;
  absl::StatusOr<std::string> dtype = json["dtype"].AsString();
  if (!dtype.ok()) return dtype.status();
  entry.dtype = *std::move(dtype);

  const JsonView shape = json["shape"];
  if (absl::Status status = shape.ExpectArray(); !status.ok()) return status;
  if (shape.size() > kMaxRank) {
    return shape.Error(absl::StrCat("must have at most ", kMaxRank, " dimensions"));
  }
  for (size_t i = 0; i < shape.size(); ++i) {
    const absl::StatusOr<int64_t> extent = shape[i].AsInt(/*min=*/0);
    if (!extent.ok()) return extent.status();
    entry.shape.push_back(*extent);
  }

  const JsonView offsets = json["data_offsets"];
  if (offsets.size() != 2) return offsets.Error("must be two whole numbers");
  const absl::StatusOr<int64_t> begin = offsets[0].AsInt(/*min=*/0);
  if (!begin.ok()) return begin.status();
  const absl::StatusOr<int64_t> end = offsets[1].AsInt(/*min=*/*begin);
  if (!end.ok()) return end.status();
  entry.begin = static_cast<size_t>(*begin);
  entry.end = static_cast<size_t>(*end);
  return entry;
}

// shape times element size, or nullopt when that does not fit.
std::optional<size_t> ByteCount(absl::Span<const int64_t> shape, size_t element_size) {
  size_t count = element_size;
  for (const int64_t extent : shape) {
    if (__builtin_mul_overflow(count, static_cast<size_t>(extent), &count)) return std::nullopt;
  }
  return count;
}

// The entry's bytes must lie within the data and be shape times element size.
absl::Status CheckSize(const SafetensorsEntry& entry, size_t data_size, const JsonView& json) {
  if (entry.end > data_size) {
    return json["data_offsets"].Error(
        absl::StrCat("must lie within the ", data_size, " bytes of data"));
  }
  const std::optional<size_t> element_size = ElementSize(entry.dtype);
  if (!element_size) return absl::OkStatus();
  const std::optional<size_t> bytes = ByteCount(entry.shape, *element_size);
  if (!bytes) return json["shape"].Error("must have a size that fits memory");
  if (*bytes == entry.end - entry.begin) return absl::OkStatus();
  return json["data_offsets"].Error(absl::StrCat("must span ", *bytes, " bytes, for ", entry.dtype,
                                                 " [", absl::StrJoin(entry.shape, ", "), "]"));
}

// In order of offset the tensors must follow one another without overlap or hole, to the end.
absl::Status CheckLayout(const SafetensorsHeader& header, size_t data_size,
                         const JsonDocument& json, const std::string& file) {
  std::vector<const SafetensorsHeader::value_type*> order;
  order.reserve(header.size());
  for (const auto& item : header) order.push_back(&item);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  size_t end = 0;
  for (const auto* item : order) {
    const auto& [name, entry] = *item;
    if (entry.begin != end) {
      return json[name]["data_offsets"].Error(absl::StrCat(
          entry.begin < end ? "overlaps the tensor before it, which ends at "
                            : "leaves a hole after the tensor before it, which ends at ",
          end));
    }
    end = entry.end;
  }
  if (end == data_size) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(file, ": the tensors end at byte ", end, " of ", data_size, " bytes of data"));
}

// The JSON text between the length and the data.
absl::StatusOr<std::string_view> HeaderText(std::string_view bytes, const std::string& file) {
  if (bytes.size() < kLengthBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": ", bytes.size(), " bytes are too few for a safetensors file"));
  }
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    length |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  const size_t available = bytes.size() - kLengthBytes;
  if (length > available) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": header length is ", length,
                                                   ", but only ", available,
                                                   " bytes follow: not a safetensors "
                                                   "file, or a truncated one"));
  }
  return bytes.substr(kLengthBytes, length);
}

}  // namespace

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view bytes,
                                                         const std::string& file) {
  const absl::StatusOr<std::string_view> text = HeaderText(bytes, file);
  if (!text.ok()) return text.status();
  const absl::StatusOr<JsonDocument> json = JsonDocument::Parse(*text, file, kHeaderLimits);
  if (!json.ok()) return json.status();
  if (absl::Status status = json->root().ExpectObject(); !status.ok()) return status;

  const size_t data_start = kLengthBytes + text->size();
  const size_t data_size = bytes.size() - data_start;
  SafetensorsHeader header;
  for (const std::string& name : json->root().Keys()) {
    if (name == "__metadata__") continue;
    const JsonView fields = (*json)[name];
    absl::StatusOr<SafetensorsEntry> entry = ReadEntry(fields);
    if (!entry.ok()) return entry.status();
    if (absl::Status status = CheckSize(*entry, data_size, fields); !status.ok()) return status;
    header.emplace(name, *std::move(entry));
  }
  if (absl::Status status = CheckLayout(header, data_size, *json, file); !status.ok())
    return status;
  for (auto& [name, entry] : header) {
    entry.begin += data_start;
    entry.end += data_start;
  }
  return header;
}

}  // namespace transept
