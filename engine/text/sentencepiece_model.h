// SentencePiece model files: a protocol buffer, of which this reads what encoding and decoding
// need. (The library itself cannot be used: Debian's build brings a protobuf of its own, whose
// symbols clash with those of the one that gRPC uses.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace transept {

// The numbers of sentencepiece_model.proto.
enum class SentencePieceType {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

enum class SentencePieceKind { kUnigram = 1, kBpe = 2 };

struct SentencePieceModel {
  struct Piece {
    std::string text;  // UTF-8, never empty
    float score = 0;   // finite
    SentencePieceType type = SentencePieceType::kNormal;
  };
  SentencePieceKind kind = SentencePieceKind::kUnigram;
  std::vector<Piece> pieces;  // never empty; exactly one of them is kUnknown
  int32_t unknown_id = 0;
  bool byte_fallback = false;  // only where `pieces` has all 256 bytes
  std::string precompiled_charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
};

// INVALID_ARGUMENT says which field of `bytes` is wrong, UNIMPLEMENTED that the model is of another
// kind or uses an option that no translation or T5 model does.
absl::StatusOr<SentencePieceModel> ParseSentencePieceModel(std::string_view bytes);

// The model in the file at `path`, of at most 64 MiB. Errors name the file; NOT_FOUND if there is
// none.
absl::StatusOr<SentencePieceModel> ReadSentencePieceModel(const std::string& path);

}  // namespace transept
