#include "engine/text/sentencepiece_model.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <optional>
#include <string>
#include <unordered_set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/json/json.h"
#include "engine/text/charsmap.h"
#include "engine/text/unigram_model.h"
#include "engine/text/utf8.h"

namespace transept {
namespace {

constexpr int64_t kMaxModelBytes = int64_t{64} << 20;

// Reads protocol buffer fields one after the other.
class WireReader {
 public:
  struct Field {
    uint32_t number = 0;
    uint64_t integer = 0;    // of varint and fixed-width fields
    std::string_view bytes;  // of length-delimited fields

    bool boolean() const { return integer != 0; }
    float real() const { return std::bit_cast<float>(static_cast<uint32_t>(integer)); }
  };

  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  // The next field; nullopt at the end, or where the bytes are damaged: then ok() is false.
  std::optional<Field> Next() {
    if (rest_.empty() || !ok_) return std::nullopt;
    const uint64_t tag = Varint();
    Field field;
    field.number = static_cast<uint32_t>(tag >> 3);
    switch (tag & 7) {
      case 0: field.integer = Varint(); break;
      case 1: field.integer = Fixed(8); break;
      case 2: field.bytes = Bytes(Varint()); break;
      case 5: field.integer = Fixed(4); break;
      default: ok_ = false;
    }
    if (!ok_ || field.number == 0) {
      ok_ = false;
      return std::nullopt;
    }
    return field;
  }

  bool ok() const { return ok_; }

 private:
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::string_view byte = Bytes(1);
      if (!ok_) return 0;
      value |= static_cast<uint64_t>(byte[0] & 0x7F) << shift;
      if ((byte[0] & 0x80) == 0) return value;
    }
    ok_ = false;
    return 0;
  }

  uint64_t Fixed(size_t width) {
    const std::string_view bytes = Bytes(width);
    uint64_t value = 0;
    for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
    return value;
  }

  std::string_view Bytes(uint64_t length) {
    if (!ok_ || length > rest_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view bytes = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return bytes;
  }

  std::string_view rest_;
  bool ok_ = true;
};

absl::Status Damaged(std::string_view message) {
  return absl::InvalidArgumentError(
      absl::StrCat("not a SentencePiece model: damaged ", std::string(message)));
}

absl::StatusOr<SentencePieceModel::Piece> ParsePiece(std::string_view bytes, size_t id) {
  const std::string name = absl::StrCat("pieces[", id, "]");
  SentencePieceModel::Piece piece;
  uint64_t type = 1;
  WireReader reader(bytes);
  while (const auto field = reader.Next()) {
    if (field->number == 1) piece.text = field->bytes;
    if (field->number == 2) piece.score = field->real();
    if (field->number == 3) type = field->integer;
  }
  if (!reader.ok()) return Damaged(name);
  if (piece.text.empty()) return absl::InvalidArgumentError(absl::StrCat(name, ".piece is empty"));
  if (!IsValidUtf8(piece.text)) {
    return absl::InvalidArgumentError(absl::StrCat(name, ".piece is not UTF-8"));
  }
  if (!std::isfinite(piece.score)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ".score is ", piece.score, "; it must be finite"));
  }
  if (type < 1 || type > 6) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ".type is ", type, "; it must lie in [1, 6]"));
  }
  piece.type = static_cast<SentencePieceType>(type);
  return piece;
}

absl::Status ParseTrainerSpec(std::string_view bytes, SentencePieceModel* model) {
  WireReader reader(bytes);
  uint64_t model_type = static_cast<uint64_t>(model->kind);
  bool whitespace_as_suffix = false;
  while (const auto field = reader.Next()) {
    if (field->number == 3) model_type = field->integer;
    if (field->number == 24) whitespace_as_suffix = field->boolean();
    if (field->number == 35) model->byte_fallback = field->boolean();
  }
  if (!reader.ok()) return Damaged("trainer_spec");
  if (model_type != static_cast<uint64_t>(SentencePieceKind::kUnigram) &&
      model_type != static_cast<uint64_t>(SentencePieceKind::kBpe)) {
    return absl::UnimplementedError(absl::StrCat("trainer_spec.model_type is ", model_type,
                                                 "; only 1 (unigram) and 2 (BPE) are supported"));
  }
  model->kind = static_cast<SentencePieceKind>(model_type);
  if (whitespace_as_suffix) {
    return absl::UnimplementedError(
        "trainer_spec.treat_whitespace_as_suffix is true; only false is supported");
  }
  return absl::OkStatus();
}

absl::Status ParseNormalizerSpec(std::string_view bytes, SentencePieceModel* model) {
  WireReader reader(bytes);
  bool escape_whitespaces = true;
  while (const auto field = reader.Next()) {
    if (field->number == 2) model->precompiled_charsmap = field->bytes;
    if (field->number == 3) model->add_dummy_prefix = field->boolean();
    if (field->number == 4) model->remove_extra_whitespaces = field->boolean();
    if (field->number == 5) escape_whitespaces = field->boolean();
  }
  if (!reader.ok()) return Damaged("normalizer_spec");
  if (!escape_whitespaces) {
    return absl::UnimplementedError(
        "normalizer_spec.escape_whitespaces is false; only true is supported");
  }
  return absl::OkStatus();
}

// What the BPE of BpeModel does not do, or not in bounded time.
absl::Status CheckBpePiece(const SentencePieceModel::Piece& piece, size_t id) {
  constexpr size_t kMaxPieceBytes = 1024;
  if (piece.type == SentencePieceType::kUnused) {
    return absl::UnimplementedError(absl::StrCat(
        "pieces[", id, "].type is 5 (unused), which is not supported in models of the BPE kind"));
  }
  if (piece.text.size() > kMaxPieceBytes) {
    return absl::InvalidArgumentError(absl::StrCat("pieces[", id, "].piece has ", piece.text.size(),
                                                   " bytes; at most ", kMaxPieceBytes,
                                                   " are supported in models of the BPE kind"));
  }
  return absl::OkStatus();
}

absl::Status CheckPieces(SentencePieceModel* model) {
  std::unordered_set<std::string_view> seen;
  std::array<bool, 256> bytes_seen{};
  int unknowns = 0;
  for (size_t id = 0; id < model->pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model->pieces[id];
    if (!seen.insert(piece.text).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("pieces[", id, "].piece is \"", piece.text, "\", as an earlier one is"));
    }
    if (model->kind == SentencePieceKind::kBpe) {
      if (absl::Status status = CheckBpePiece(piece, id); !status.ok()) return status;
    }
    if (piece.type == SentencePieceType::kUnknown) {
      model->unknown_id = static_cast<int32_t>(id);
      ++unknowns;
    }
    if (piece.type == SentencePieceType::kByte) {
      const auto byte = ByteOfPiece(piece.text);
      if (!byte) {
        return absl::InvalidArgumentError(
            absl::StrCat("pieces[", id, "].piece is \"", piece.text, "\" but of the byte type"));
      }
      bytes_seen[*byte] = true;
    }
  }
  if (unknowns != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("pieces has ", unknowns, " of the unknown type; there must be one"));
  }
  const auto num_bytes = std::count(bytes_seen.begin(), bytes_seen.end(), true);
  if (model->byte_fallback && num_bytes != 256) {
    return absl::InvalidArgumentError(absl::StrCat(
        "trainer_spec.byte_fallback is true, but pieces has ", num_bytes, " of the 256 bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SentencePieceModel> ParseSentencePieceModel(std::string_view bytes) {
  SentencePieceModel model;
  WireReader reader(bytes);
  while (const auto field = reader.Next()) {
    absl::Status status;
    if (field->number == 1) {
      auto piece = ParsePiece(field->bytes, model.pieces.size());
      if (!piece.ok()) return piece.status();
      model.pieces.push_back(*std::move(piece));
    } else if (field->number == 2) {
      status = ParseTrainerSpec(field->bytes, &model);
    } else if (field->number == 3) {
      status = ParseNormalizerSpec(field->bytes, &model);
    }
    if (!status.ok()) return status;
  }
  if (!reader.ok()) return Damaged(absl::StrCat("after pieces[", model.pieces.size(), "]"));
  if (model.pieces.empty()) {
    return absl::InvalidArgumentError("not a SentencePiece model: it has no pieces");
  }
  const absl::Status status = CheckPieces(&model);
  if (!status.ok()) return status;
  return model;
}

absl::StatusOr<SentencePieceModel> ReadSentencePieceModel(const std::string& path) {
  const auto bytes = ReadBoundedFile(path, kMaxModelBytes);
  if (!bytes.ok()) return bytes.status();
  auto model = ParseSentencePieceModel(*bytes);
  if (model.ok()) return model;
  return absl::Status(model.status().code(), absl::StrCat(path, ": ", model.status().message()));
}

}  // namespace transept
