#include "engine/text/sentencepiece_encoding.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "engine/text/bpe_model.h"
#include "engine/text/unigram_model.h"

namespace transept {
namespace {

// Of the pieces the normal ones stand for text.
std::vector<VocabularyPiece> VocabularyOf(const SentencePieceModel& model) {
  std::vector<VocabularyPiece> pieces;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    const bool normal = piece.type == SentencePieceType::kNormal;
    pieces.push_back({.text = piece.text, .score = piece.score, .in_text = normal});
  }
  return pieces;
}

std::vector<TokenId> UserDefined(const SentencePieceModel& model) {
  std::vector<TokenId> ids;
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    if (model.pieces[id].type == SentencePieceType::kUserDefined) {
      ids.push_back(static_cast<TokenId>(id));
    }
  }
  return ids;
}

// What a user-defined piece of so many bytes scores in SentencePiece (0.2.3): more than any others.
float UserDefinedScore(size_t bytes) {
  return static_cast<float>(0.1 * (static_cast<double>(bytes) - 1));
}

std::unique_ptr<const SubwordModel> MakeUnigramModel(const SentencePieceModel& model,
                                                     std::vector<VocabularyPiece> pieces) {
  double lowest_score = std::numeric_limits<double>::max();
  for (const VocabularyPiece& piece : pieces) {
    if (piece.in_text) lowest_score = std::min(lowest_score, piece.score);
  }
  for (const TokenId id : UserDefined(model)) {
    VocabularyPiece& piece = pieces[static_cast<size_t>(id)];
    piece.score = UserDefinedScore(piece.text.size());
    piece.in_text = true;
  }
  return std::make_unique<UnigramModel>(UnigramModel::Options{.pieces = std::move(pieces),
                                                              .unknown_id = model.unknown_id,
                                                              .lowest_score = lowest_score,
                                                              .byte_fallback = model.byte_fallback,
                                                              .single_precision = true});
}

std::unique_ptr<const SubwordModel> MakeBpeModel(const SentencePieceModel& model,
                                                 const std::vector<VocabularyPiece>& pieces) {
  BpeModel::Options options;
  for (const VocabularyPiece& piece : pieces) options.pieces.push_back(piece.text);
  options.merges = MergesOfScores(pieces);
  options.whole = UserDefined(model);
  options.unknown_id = model.unknown_id;
  options.fuse_unknown = true;
  options.byte_fallback = model.byte_fallback;
  return std::make_unique<BpeModel>(std::move(options));
}

bool AnyPieceSpansWords(const SentencePieceModel& model) {
  return std::any_of(model.pieces.begin(), model.pieces.end(), [](const auto& piece) {
    const bool in_text =
        piece.type == SentencePieceType::kNormal || piece.type == SentencePieceType::kUserDefined;
    return in_text && piece.text.find(kSpaceMark, 1) != std::string::npos;
  });
}

ByteTrie TextsOf(const SentencePieceModel& model, const std::vector<TokenId>& ids) {
  std::vector<ByteTrie::Entry> entries;
  entries.reserve(ids.size());
  for (const TokenId id : ids) {
    entries.emplace_back(model.pieces[static_cast<size_t>(id)].text, id);
  }
  return ByteTrie(std::move(entries));
}

}  // namespace

absl::StatusOr<SentencePieceEncoding> MakeSentencePieceEncoding(const SentencePieceModel& model) {
  auto charsmap = Charsmap::Parse(model.precompiled_charsmap);
  if (!charsmap.ok()) return charsmap.status();
  SentencePieceEncoding encoding;
  std::vector<VocabularyPiece> pieces = VocabularyOf(model);
  encoding.words.mark_spaces = true;
  // Joining pairs word by word is the same where no piece spans words, and faster.
  encoding.words.split_at_space_marks =
      model.kind == SentencePieceKind::kBpe && !AnyPieceSpansWords(model);
  encoding.model = model.kind == SentencePieceKind::kBpe
                       ? MakeBpeModel(model, pieces)
                       : MakeUnigramModel(model, std::move(pieces));
  encoding.normalizer =
      MakeSentencePieceNormalizer({.charsmap = *std::move(charsmap),
                                   .kept = TextsOf(model, UserDefined(model)),
                                   .add_dummy_prefix = model.add_dummy_prefix,
                                   .remove_extra_whitespaces = model.remove_extra_whitespaces});
  return encoding;
}

}  // namespace transept
