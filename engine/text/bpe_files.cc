#include "engine/text/bpe_files.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace transept {
namespace {

// Ids index a list of pieces: this bounds the memory that a file can ask for by one large id.
constexpr int64_t kMaxId = (int64_t{1} << 22) - 1;

// {"piece": id, ...}; ids may have gaps.
absl::StatusOr<std::vector<std::string>> ReadPieces(const JsonView& vocab) {
  if (absl::Status status = vocab.ExpectObject(); !status.ok()) return status;
  if (vocab.size() == 0) return vocab.Error("must not be empty");
  std::vector<std::string> pieces;
  for (std::string& piece : vocab.Keys()) {
    const JsonView field = vocab[piece];
    const auto value = field.AsInt(0, kMaxId);
    if (!value.ok()) return value.status();
    if (piece.empty()) return field.Error("its name must not be empty");
    const auto id = static_cast<size_t>(*value);
    if (id >= pieces.size()) pieces.resize(id + 1);
    if (!pieces[id].empty()) {
      return field.Error(absl::StrCat(Printable(pieces[id]), " has that id too"));
    }
    pieces[id] = std::move(piece);
  }
  return pieces;
}

// Collects merges, each of lower rank than the ones after it.
class MergeList {
 public:
  explicit MergeList(const std::vector<std::string>& pieces) {
    for (size_t id = 0; id < pieces.size(); ++id) {
      if (!pieces[id].empty()) ids_[pieces[id]] = static_cast<TokenId>(id);
    }
  }

  // What is wrong with the merge; "" if it was added.
  std::string Add(std::string_view left, std::string_view right) {
    BpeMerge merge{.rank = static_cast<int32_t>(merges_.size())};
    const std::string result = absl::StrCat(std::string(left), std::string(right));
    const std::pair<std::string_view, TokenId*> parts[] = {
        {left, &merge.left}, {right, &merge.right}, {result, &merge.result}};
    for (const auto& [piece, id] : parts) {
      const auto it = ids_.find(piece);
      if (it == ids_.end()) {
        return absl::StrCat(Printable(piece), " must be in the vocabulary");
      }
      *id = it->second;
    }
    merges_.push_back(merge);
    return "";
  }

  // Of a line with two pieces and one space between them.
  std::string AddLine(std::string_view line) {
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
      return "must be two pieces with one space between them";
    }
    return Add(line.substr(0, space), line.substr(space + 1));
  }

  std::vector<BpeMerge> Take() { return std::move(merges_); }

 private:
  absl::flat_hash_map<std::string_view, TokenId> ids_;
  std::vector<BpeMerge> merges_;
};

// A list of "left right" or of ["left", "right"].
absl::StatusOr<std::vector<BpeMerge>> ReadMerges(const JsonView& list,
                                                 const std::vector<std::string>& pieces) {
  if (absl::Status status = list.ExpectArray(); !status.ok()) return status;
  MergeList merges(pieces);
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonView entry = list[i];
    std::string problem;
    if (entry.is_array()) {
      const auto left = entry[0].AsString();
      if (!left.ok()) return left.status();
      const auto right = entry[1].AsString();
      if (!right.ok()) return right.status();
      problem = merges.Add(*left, *right);
    } else {
      const auto line = entry.AsString();
      if (!line.ok()) return line.status();
      problem = merges.AddLine(*line);
    }
    if (!problem.empty()) return entry.Error(problem);
  }
  return merges.Take();
}

// Options of the file's model that no encoder-decoder model uses.
absl::Status RequireNoOtherOptions(const JsonView& model) {
  for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const auto affix = model[name].AsStringOr("");
    if (!affix.ok()) return affix.status();
    if (!affix->empty()) return model[name].Error("not supported; must be null or \"\"");
  }
  const JsonView dropout = model["dropout"];
  if (!dropout.exists()) return absl::OkStatus();
  const auto rate = dropout.AsDouble();
  if (!rate.ok()) return rate.status();
  return *rate == 0 ? absl::OkStatus() : dropout.Error("not supported; must be null or 0");
}

}  // namespace

absl::StatusOr<BpeModel::Options> ReadBpeJson(const JsonView& model) {
  BpeModel::Options options;
  if (absl::Status status = RequireNoOtherOptions(model); !status.ok()) return status;
  auto pieces = ReadPieces(model["vocab"]);
  if (!pieces.ok()) return pieces.status();
  options.pieces = *std::move(pieces);
  auto merges = ReadMerges(model["merges"], options.pieces);
  if (!merges.ok()) return merges.status();
  options.merges = *std::move(merges);

  const std::pair<const char*, bool*> flags[] = {{"fuse_unk", &options.fuse_unknown},
                                                 {"byte_fallback", &options.byte_fallback},
                                                 {"ignore_merges", &options.ignore_merges}};
  for (const auto& [name, flag] : flags) {
    const auto value = model[name].AsBoolOr(false);
    if (!value.ok()) return value.status();
    *flag = *value;
  }
  const JsonView unknown = model["unk_token"];
  if (!unknown.exists()) return options;
  const auto piece = unknown.AsString();
  if (!piece.ok()) return piece.status();
  const auto id = model["vocab"][*piece].AsInt();
  if (!id.ok()) return unknown.Error("must be in the vocabulary");
  options.unknown_id = static_cast<TokenId>(*id);
  return options;
}

absl::StatusOr<BpeModel::Options> ReadBpeFiles(const JsonDocument& vocab,
                                               std::string_view merges_path,
                                               std::string_view merges) {
  BpeModel::Options options;
  auto pieces = ReadPieces(vocab.root());
  if (!pieces.ok()) return pieces.status();
  options.pieces = *std::move(pieces);
  MergeList list(options.pieces);
  for (int64_t number = 1; !merges.empty(); ++number) {
    std::string_view line = merges.substr(0, merges.find('\n'));
    merges.remove_prefix(std::min(line.size() + 1, merges.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("#version")) continue;
    if (const std::string problem = list.AddLine(line); !problem.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(std::string(merges_path), ": line ", number,
                                                     " is ", Printable(line), ": ", problem));
    }
  }
  options.merges = list.Take();
  return options;
}

}  // namespace transept
