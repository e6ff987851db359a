#include "engine/text/bpe_model.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <tuple>
#include <utility>

#include "engine/text/utf8.h"

namespace transept {
namespace {

uint64_t PairKey(TokenId left, TokenId right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

}  // namespace

// A word as a linked list of symbols, and a queue of the pairs that can be joined. A pair in the
// queue may be out of date: one of its symbols was joined with another since.
class BpeModel::Encoder final : public WordEncoder {
 public:
  explicit Encoder(const BpeModel* model) : model_(*model) {}

  void Encode(std::string_view word, std::vector<TokenId>* ids,
              std::vector<std::string_view>* unknown) override {
    if (model_.ignore_merges_) {
      if (const auto id = model_.Find(word)) {
        ids->push_back(*id);
        return;
      }
    }
    SplitCharacters(word, unknown);
    const auto n = static_cast<int32_t>(symbols_.size());
    for (int32_t i = 0; i < n; ++i) {
      symbols_[static_cast<size_t>(i)].previous = i - 1;
      symbols_[static_cast<size_t>(i)].next = i + 1 < n ? i + 1 : -1;
    }
    for (int32_t i = 0; i + 1 < n; ++i) OfferPair(i);
    JoinPairs();
    for (int32_t i = n > 0 ? 0 : -1; i >= 0; i = At(i).next) ids->push_back(At(i).id);
  }

 private:
  struct Symbol {
    TokenId id;
    int32_t previous = -1;
    int32_t next = -1;
    bool joined = false;  // is part of the symbol to its left
  };
  struct Pair {
    int32_t rank;
    int32_t left;
    TokenId result;
    bool operator>(const Pair& other) const {
      return std::tie(rank, left) > std::tie(other.rank, other.left);
    }
  };

  Symbol& At(int32_t i) { return symbols_[static_cast<size_t>(i)]; }

  void SplitCharacters(std::string_view word, std::vector<std::string_view>* unknown) {
    symbols_.clear();
    bool after_unknown = false;
    while (!word.empty()) {
      if (const auto [length, id] = model_.FindWhole(word); length > 0) {
        symbols_.push_back({id});
        word.remove_prefix(length);
        after_unknown = false;
        continue;
      }
      const std::string_view c = word.substr(0, DecodeUtf8Char(word).length);
      word.remove_prefix(c.size());
      if (const auto id = model_.Find(c)) {
        symbols_.push_back({*id});
        after_unknown = false;
      } else if (!AppendBytes(c) && model_.unknown_id_) {
        const bool fuse = after_unknown && model_.fuse_unknown_;
        if (!fuse) symbols_.push_back({*model_.unknown_id_});
        if (unknown != nullptr && !fuse) unknown->push_back(c);
        if (unknown != nullptr && fuse) {
          unknown->back() = {unknown->back().data(), unknown->back().size() + c.size()};
        }
        after_unknown = true;
      }
    }
  }

  bool AppendBytes(std::string_view c) {
    const auto id_of = [this](char byte) { return model_.byte_ids_[static_cast<uint8_t>(byte)]; };
    if (!model_.byte_fallback_) return false;
    if (!std::all_of(c.begin(), c.end(), [&](char byte) { return id_of(byte) >= 0; })) return false;
    for (const char byte : c) symbols_.push_back({id_of(byte)});
    return true;
  }

  // Queues the symbol `left` and its next one, if a merge joins them.
  void OfferPair(int32_t left) {
    const Joint* joint = model_.FindJoint(At(left).id, At(At(left).next).id);
    if (joint != nullptr) pairs_.push({joint->rank, left, joint->result});
  }

  void JoinPairs() {
    while (!pairs_.empty()) {
      const Pair pair = pairs_.top();
      pairs_.pop();
      Symbol& left = At(pair.left);
      if (left.joined || left.next < 0) continue;
      Symbol& right = At(left.next);
      const Joint* joint = model_.FindJoint(left.id, right.id);
      if (joint == nullptr || joint->result != pair.result) continue;
      left.id = pair.result;
      right.joined = true;
      left.next = right.next;
      if (left.next >= 0) At(left.next).previous = pair.left;
      if (left.previous >= 0) OfferPair(left.previous);
      if (left.next >= 0) OfferPair(pair.left);
    }
  }

  const BpeModel& model_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Pair, std::vector<Pair>, std::greater<Pair>> pairs_;  // empty between words
};

BpeModel::BpeModel(Options options)
    : pieces_(std::move(options.pieces)),
      unknown_id_(options.unknown_id),
      fuse_unknown_(options.fuse_unknown),
      byte_fallback_(options.byte_fallback),
      ignore_merges_(options.ignore_merges) {
  byte_ids_.fill(-1);
  for (size_t i = 0; i < pieces_.size(); ++i) {
    if (pieces_[i].empty()) continue;
    const auto id = static_cast<TokenId>(i);
    ids_[pieces_[i]] = id;
    if (const auto byte = ByteOfPiece(pieces_[i])) byte_ids_[*byte] = id;
  }
  std::vector<ByteTrie::Entry> whole;
  for (const TokenId id : options.whole) whole.emplace_back(pieces_[static_cast<size_t>(id)], id);
  whole_ = ByteTrie(std::move(whole));
  joints_.reserve(options.merges.size());
  for (const BpeMerge& merge : options.merges) {
    joints_[PairKey(merge.left, merge.right)] = {merge.rank, merge.result};
  }
}

std::unique_ptr<WordEncoder> BpeModel::NewEncoder() const {
  return std::make_unique<Encoder>(this);
}

std::optional<TokenId> BpeModel::Find(std::string_view piece) const {
  const auto it = ids_.find(piece);
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

std::pair<size_t, TokenId> BpeModel::FindWhole(std::string_view text) const {
  std::pair<size_t, TokenId> longest(0, 0);
  whole_.ForEachPrefix(text, [&](size_t length, TokenId id) { longest = {length, id}; });
  return longest;
}

const BpeModel::Joint* BpeModel::FindJoint(TokenId left, TokenId right) const {
  const auto it = joints_.find(PairKey(left, right));
  return it == joints_.end() ? nullptr : &it->second;
}

std::vector<BpeMerge> MergesOfScores(const std::vector<VocabularyPiece>& pieces) {
  std::vector<ByteTrie::Entry> entries;
  absl::flat_hash_map<std::string_view, TokenId> ids;
  std::vector<double> scores;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (!pieces[i].in_text) continue;
    entries.emplace_back(pieces[i].text, static_cast<TokenId>(i));
    ids[pieces[i].text] = static_cast<TokenId>(i);
    scores.push_back(pieces[i].score);
  }
  const ByteTrie trie(std::move(entries));
  std::sort(scores.begin(), scores.end(), std::greater<double>());
  scores.erase(std::unique(scores.begin(), scores.end()), scores.end());

  std::vector<BpeMerge> merges;
  for (const auto& entry : ids) {
    const std::string_view text = entry.first;
    const double score = pieces[static_cast<size_t>(entry.second)].score;
    const auto place =
        std::lower_bound(scores.begin(), scores.end(), score, std::greater<double>());
    BpeMerge merge{.result = entry.second, .rank = static_cast<int32_t>(place - scores.begin())};
    trie.ForEachPrefix(text, [&](size_t length, TokenId left) {
      const auto right = ids.find(text.substr(length));
      if (right == ids.end()) return;
      merge.left = left;
      merge.right = right->second;
      merges.push_back(merge);
    });
  }
  return merges;
}

}  // namespace transept
