#include "engine/text/unigram_model.h"

#include <algorithm>
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

class UnigramModel::Encoder final : public WordEncoder {
 public:
  explicit Encoder(const UnigramModel* model) : model_(*model) {}

  void Encode(std::string_view word, std::vector<TokenId>* ids,
              std::vector<std::string_view>* unknown) override;

 private:
  struct Node {
    double score = 0;
    size_t start = 0;
    TokenId id = -1;  // -1: not reached
  };

  void FillBest(std::string_view word);

  const UnigramModel& model_;
  std::vector<Node> best_;  // best_[i]: the best segmentation of the word's first i bytes
};

UnigramModel::UnigramModel(Options options)
    : pieces_(std::move(options.pieces)),
      unknown_id_(options.unknown_id),
      unknown_score_(options.single_precision
                         ? static_cast<float>(options.lowest_score - kUnknownPenalty)
                         : options.lowest_score - kUnknownPenalty),
      single_precision_(options.single_precision),
      trie_(MakeTrie(pieces_)),
      byte_fallback_(options.byte_fallback),
      byte_ids_(FindByteIds(pieces_)) {}

std::unique_ptr<WordEncoder> UnigramModel::NewEncoder() const {
  return std::make_unique<Encoder>(this);
}

void UnigramModel::Encoder::Encode(std::string_view word, std::vector<TokenId>* ids,
                                   std::vector<std::string_view>* unknown) {
  FillBest(word);
  // Back from the end of the word to its start; reversed below.
  struct Step {
    size_t start, end;
    TokenId id;
  };
  std::vector<Step> path;
  for (size_t end = word.size(); end > 0;) {
    const Node& node = best_[end];
    if (!path.empty() && node.id == model_.unknown_id_ && path.back().id == model_.unknown_id_) {
      path.back().start = node.start;
    } else {
      path.push_back({node.start, end, node.id});
    }
    end = node.start;
  }
  for (auto step = path.rbegin(); step != path.rend(); ++step) {
    if (step->id == model_.unknown_id_) {
      model_.AppendUnknown(word.substr(step->start, step->end - step->start), ids, unknown);
    } else {
      ids->push_back(step->id);
    }
  }
}

void UnigramModel::Encoder::FillBest(std::string_view word) {
  best_.assign(word.size() + 1, Node());
  const auto offer = [this](size_t start, size_t end, double score, TokenId id) {
    if (model_.single_precision_) score = static_cast<float>(score);
    if (best_[end].id < 0 || score > best_[end].score) best_[end] = {score, start, id};
  };
  for (size_t start = 0; start < word.size();) {
    const double score_here = best_[start].score;
    const std::string_view rest = word.substr(start);
    const size_t char_length = DecodeUtf8Char(rest).length;
    bool char_is_piece = false;
    model_.trie_.ForEachPrefix(rest, [&](size_t length, TokenId id) {
      char_is_piece |= length == char_length;
      offer(start, start + length, score_here + model_.pieces_[static_cast<size_t>(id)].score, id);
    });
    if (!char_is_piece)
      offer(start, start + char_length, score_here + model_.unknown_score_, model_.unknown_id_);
    start += char_length;
  }
}

void UnigramModel::AppendUnknown(std::string_view text, std::vector<TokenId>* ids,
                                 std::vector<std::string_view>* unknown) const {
  const auto id_of = [this](char c) { return byte_ids_[static_cast<uint8_t>(c)]; };
  if (byte_fallback_ &&
      std::all_of(text.begin(), text.end(), [&](char c) { return id_of(c) >= 0; })) {
    std::transform(text.begin(), text.end(), std::back_inserter(*ids), id_of);
  } else {
    ids->push_back(unknown_id_);
    if (unknown != nullptr) unknown->push_back(text);
  }
}

}  // namespace transept
