#include "engine/text/unigram_model.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "engine/text/utf8.h"

namespace transept {
namespace {

constexpr double kUnknownPenalty = 10.0;

ByteTrie MakeTrie(const std::vector<VocabularyPiece>& pieces) {
  std::vector<ByteTrie::Entry> entries;
  entries.reserve(pieces.size());
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (pieces[id].in_text) entries.emplace_back(pieces[id].text, static_cast<int32_t>(id));
  }
  return ByteTrie(std::move(entries));
}

// The id of each byte's piece, -1 where there is none.
std::array<TokenId, 256> FindByteIds(const std::vector<VocabularyPiece>& pieces) {
  std::array<TokenId, 256> ids;
  ids.fill(-1);
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (const auto byte = ByteOfPiece(pieces[id].text)) ids[*byte] = static_cast<TokenId>(id);
  }
  return ids;
}

}  // namespace

std::optional<uint8_t> ByteOfPiece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') return std::nullopt;
  uint8_t value = 0;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, value, 16);
  if (error != std::errc() || end != piece.data() + 5) return std::nullopt;
  return value;
}

UnigramModel::UnigramModel(Options options)
    : pieces_(std::move(options.pieces)),
      unknown_id_(options.unknown_id),
      unknown_score_(options.lowest_score - kUnknownPenalty),
      trie_(MakeTrie(pieces_)),
      byte_fallback_(options.byte_fallback),
      byte_ids_(FindByteIds(pieces_)) {}

void UnigramModel::Encode(std::string_view word, Scratch* scratch,
                          std::vector<TokenId>* ids) const {
  FillBest(word, scratch);
  // Back from the end of the word to its start; reversed below.
  struct Step {
    size_t start, end;
    TokenId id;
  };
  std::vector<Step> path;
  for (size_t end = word.size(); end > 0;) {
    const Scratch::Node& node = scratch->best[end];
    if (!path.empty() && node.id == unknown_id_ && path.back().id == unknown_id_) {
      path.back().start = node.start;
    } else {
      path.push_back({node.start, end, node.id});
    }
    end = node.start;
  }
  for (auto step = path.rbegin(); step != path.rend(); ++step) {
    if (step->id == unknown_id_) {
      AppendUnknown(word.substr(step->start, step->end - step->start), ids);
    } else {
      ids->push_back(step->id);
    }
  }
}

void UnigramModel::FillBest(std::string_view word, Scratch* scratch) const {
  std::vector<Scratch::Node>& best = scratch->best;
  best.assign(word.size() + 1, Scratch::Node());
  const auto offer = [&best](size_t start, size_t end, double score, TokenId id) {
    if (best[end].id < 0 || score > best[end].score) best[end] = {score, start, id};
  };
  for (size_t start = 0; start < word.size();) {
    const double score_here = best[start].score;
    const std::string_view rest = word.substr(start);
    const size_t char_length = DecodeUtf8Char(rest).length;
    bool char_is_piece = false;
    trie_.ForEachPrefix(rest, [&](size_t length, TokenId id) {
      char_is_piece |= length == char_length;
      offer(start, start + length, score_here + pieces_[static_cast<size_t>(id)].score, id);
    });
    if (!char_is_piece) offer(start, start + char_length, score_here + unknown_score_, unknown_id_);
    start += char_length;
  }
}

void UnigramModel::AppendUnknown(std::string_view text, std::vector<TokenId>* ids) const {
  const auto id_of = [this](char c) { return byte_ids_[static_cast<uint8_t>(c)]; };
  if (byte_fallback_ &&
      std::all_of(text.begin(), text.end(), [&](char c) { return id_of(c) >= 0; })) {
    std::transform(text.begin(), text.end(), std::back_inserter(*ids), id_of);
  } else {
    ids->push_back(unknown_id_);
  }
}

}  // namespace transept
