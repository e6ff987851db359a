#include "engine/text/converted_sentencepiece.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "engine/text/added_token_files.h"
#include "engine/text/bpe_model.h"
#include "engine/text/language_codes.h"
#include "engine/text/unigram_model.h"

namespace transept {
namespace {

constexpr int64_t kMostPegasusTokens = 100000;
constexpr double kPegasusUnknownScore = -100;

using Pieces = std::vector<VocabularyPiece>;

// Appends a piece for each of the special tokens, given by their names in the files and the texts
// they have where no file has the name.
absl::Status AppendSpecial(const TokenizerFolder& folder,
                           std::initializer_list<std::pair<const char*, const char*>> names,
                           Pieces* pieces) {
  for (const auto& [name, fallback] : names) {
    auto token = folder.SpecialToken(name, fallback);
    if (!token.ok()) return token.status();
    if (token->empty()) return folder.tokenizer_config[name].Error("must not be empty");
    pieces->push_back({.text = *std::move(token)});
  }
  return absl::OkStatus();
}

void AppendPieces(const SentencePieceModel& model, size_t first, Pieces* pieces) {
  for (size_t i = first; i < model.pieces.size(); ++i) {
    pieces->push_back({.text = model.pieces[i].text, .score = model.pieces[i].score});
  }
}

// fairseq's order: four special tokens in place of SentencePiece's three.
absl::StatusOr<Pieces> FairseqPieces(const SentencePieceModel& model,
                                     const TokenizerFolder& folder) {
  Pieces pieces;
  const absl::Status status = AppendSpecial(
      folder,
      {{"bos_token", "<s>"}, {"pad_token", "<pad>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}},
      &pieces);
  if (!status.ok()) return status;
  AppendPieces(model, 3, &pieces);
  return pieces;
}

absl::StatusOr<Pieces> MBartPieces(ConvertedClass tokenizer_class, const SentencePieceModel& model,
                                   const TokenizerFolder& folder) {
  auto pieces = FairseqPieces(model, folder);
  if (!pieces.ok()) return pieces;
  for (const std::string_view code :
       tokenizer_class == ConvertedClass::kMBart ? MBartLanguages() : MBart50Languages()) {
    pieces->push_back({.text = std::string(code)});
  }
  const absl::Status status = AppendSpecial(folder, {{"mask_token", "<mask>"}}, &*pieces);
  if (!status.ok()) return status;
  return pieces;
}

// Two mask tokens and a hundred that pretraining reserved come before SentencePiece's third piece.
// transformers 5.17 takes the masks in this order, 4 had them the other way round.
absl::StatusOr<Pieces> PegasusPieces(const SentencePieceModel& model,
                                     const TokenizerFolder& folder) {
  Pieces pieces;
  const absl::Status status = AppendSpecial(folder,
                                            {{"pad_token", "<pad>"},
                                             {"eos_token", "</s>"},
                                             {"mask_token", "<mask_1>"},
                                             {"mask_token_sent", "<mask_2>"}},
                                            &pieces);
  if (!status.ok()) return status;
  const auto offset = folder.tokenizer_config["offset"].AsIntOr(103, 2, kMostPegasusTokens);
  if (!offset.ok()) return offset.status();
  for (int64_t i = 2; i < *offset; ++i) {
    pieces.push_back({.text = absl::StrCat("<unk_", i, ">"), .score = kPegasusUnknownScore});
  }
  AppendPieces(model, 2, &pieces);
  return pieces;
}

// As transformers' generate_merges: the piece with the lower id first, then the shorter left part.
std::vector<BpeMerge> MergesInOrder(const Pieces& pieces) {
  Pieces ranked = pieces;
  for (size_t i = 0; i < ranked.size(); ++i) ranked[i].score = -static_cast<double>(i);
  std::vector<BpeMerge> merges = MergesOfScores(ranked);
  const auto order = [&pieces](const BpeMerge& merge) {
    return std::tuple(merge.result, pieces[static_cast<size_t>(merge.left)].text.size());
  };
  std::sort(merges.begin(), merges.end(),
            [&](const BpeMerge& a, const BpeMerge& b) { return order(a) < order(b); });
  for (size_t i = 0; i < merges.size(); ++i) merges[i].rank = static_cast<int32_t>(i);
  return merges;
}

std::unique_ptr<const SubwordModel> MakeBpe(Pieces pieces, TokenId unknown_id) {
  BpeModel::Options options;
  options.merges = MergesInOrder(pieces);
  for (VocabularyPiece& piece : pieces) options.pieces.push_back(std::move(piece.text));
  options.unknown_id = unknown_id;
  options.fuse_unknown = true;
  return std::make_unique<BpeModel>(std::move(options));
}

std::unique_ptr<const SubwordModel> MakeUnigram(Pieces pieces, TokenId unknown_id) {
  const auto lowest = std::min_element(
      pieces.begin(), pieces.end(),
      [](const VocabularyPiece& a, const VocabularyPiece& b) { return a.score < b.score; });
  const double lowest_score = lowest->score;
  return std::make_unique<UnigramModel>(UnigramModel::Options{
      .pieces = std::move(pieces), .unknown_id = unknown_id, .lowest_score = lowest_score});
}

absl::StatusOr<std::unique_ptr<Normalizer>> MakeNormalizer(const SentencePieceModel& model) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  auto charsmap = Charsmap::Parse(model.precompiled_charsmap);
  if (!charsmap.ok()) return charsmap.status();
  auto graphemes = GraphemeRules::Load();
  if (!graphemes.ok()) return graphemes.status();
  steps.push_back(MakePrecompiledNormalizer(*std::move(charsmap), *std::move(graphemes)));
  steps.push_back(MakeSpaceRunNormalizer(" "));
  return MakeSequenceNormalizer(std::move(steps));
}

// Tokens that are looked for in text. Those that are no pieces get ids after them.
class AddedTokenList {
 public:
  explicit AddedTokenList(const Pieces& pieces) : next_id_(static_cast<TokenId>(pieces.size())) {
    for (size_t i = 0; i < pieces.size(); ++i) ids_[pieces[i].text] = static_cast<TokenId>(i);
  }

  void Add(AddedToken token) {
    const auto [it, is_new] = ids_.try_emplace(token.content, next_id_);
    if (is_new) ++next_id_;
    token.id = it->second;
    if (contents_.insert(token.content).second) tokens_.push_back(std::move(token));
  }
  std::vector<AddedToken> Take() { return std::move(tokens_); }

 private:
  absl::flat_hash_map<std::string, TokenId> ids_;
  TokenId next_id_;
  std::set<std::string> contents_;
  std::vector<AddedToken> tokens_;
};

absl::StatusOr<std::vector<std::string>> ExtraTokens(const TokenizerFolder& folder) {
  std::vector<std::string> tokens;
  for (const JsonDocument* file : {&folder.tokenizer_config, &folder.special_tokens_map}) {
    for (const char* name : {"additional_special_tokens", "extra_special_tokens"}) {
      const JsonView list = (*file)[name];
      for (size_t i = 0; list.is_array() && i < list.size(); ++i) {
        auto token = ReadSpecialToken(list[i], "");
        if (!token.ok()) return token.status();
        if (!token->empty()) tokens.push_back(*std::move(token));
      }
    }
  }
  return tokens;
}

// In the order in which transformers numbers those that are no pieces. Of NLLB's languages 5.17
// forgets those that no file lists; then they get the ids that transformers 4 gave them.
absl::StatusOr<std::vector<AddedToken>> ReadAddedTokens(ConvertedClass tokenizer_class,
                                                        const SentencePieceModel& model,
                                                        const TokenizerFolder& folder,
                                                        const Pieces& pieces) {
  AddedTokenList tokens(pieces);
  auto listed = ReadAddedTokensDecoder(folder.tokenizer_config["added_tokens_decoder"]);
  if (!listed.ok()) return listed.status();
  std::sort(listed->begin(), listed->end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (AddedToken& token : *listed) tokens.Add(std::move(token));
  const bool pegasus = tokenizer_class == ConvertedClass::kPegasus;
  auto extra = ExtraTokens(folder);
  if (!extra.ok()) return extra.status();
  // A list of extra tokens, which Pegasus always has, takes the place of the model's own.
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    if (pegasus || !extra->empty()) break;
    const bool special = piece.type == SentencePieceType::kControl;
    if (special || piece.type == SentencePieceType::kUserDefined) {
      tokens.Add({.content = piece.text, .special = special});
    }
  }
  if (tokenizer_class == ConvertedClass::kNllb && listed->empty() && extra->empty()) {
    extra->assign(NllbLanguages().begin(), NllbLanguages().end());
  }
  if (tokenizer_class == ConvertedClass::kMBart) {
    extra->insert(extra->end(), MBartLanguages().begin(), MBartLanguages().end());
  } else if (tokenizer_class == ConvertedClass::kMBart50) {
    extra->insert(extra->end(), MBart50Languages().begin(), MBart50Languages().end());
  }
  for (std::string& content : *extra) {
    tokens.Add({.content = std::move(content), .special = true});
  }
  for (const auto& [name, fallback] :
       {std::pair("bos_token", pegasus ? "" : "<s>"), std::pair("eos_token", "</s>"),
        std::pair("unk_token", "<unk>"), std::pair("sep_token", pegasus ? "" : "</s>"),
        std::pair("pad_token", "<pad>"), std::pair("cls_token", pegasus ? "" : "<s>"),
        std::pair("mask_token", pegasus ? "<mask_2>" : "<mask>"),
        std::pair("mask_token_sent", pegasus ? "<mask_1>" : "")}) {
    auto content = folder.SpecialToken(name, fallback);
    if (!content.ok()) return content.status();
    if (content->empty()) continue;
    const bool lstrip = !pegasus && std::string_view(name) == "mask_token";
    tokens.Add({.content = *std::move(content), .lstrip = lstrip, .special = true});
  }
  for (size_t i = 0; pegasus && i < pieces.size(); ++i) {
    if (pieces[i].score == kPegasusUnknownScore) {
      tokens.Add({.content = pieces[i].text, .special = true});
    }
  }
  return tokens.Take();
}

}  // namespace

absl::StatusOr<SubwordTokenizerOptions> ConvertSentencePiece(ConvertedClass tokenizer_class,
                                                             const SentencePieceModel& model,
                                                             const TokenizerFolder& folder) {
  absl::StatusOr<Pieces> pieces;
  switch (tokenizer_class) {
    case ConvertedClass::kMBart:
    case ConvertedClass::kMBart50: pieces = MBartPieces(tokenizer_class, model, folder); break;
    case ConvertedClass::kNllb: pieces = FairseqPieces(model, folder); break;
    case ConvertedClass::kPegasus: pieces = PegasusPieces(model, folder); break;
  }
  if (!pieces.ok()) return pieces.status();
  SubwordTokenizerOptions options;
  auto added_tokens = ReadAddedTokens(tokenizer_class, model, folder, *pieces);
  if (!added_tokens.ok()) return added_tokens.status();
  options.added_tokens = *std::move(added_tokens);

  if (tokenizer_class == ConvertedClass::kMBart) {
    options.normalizer = MakeSequenceNormalizer({});
    options.words.split_at_white_space = true;
  } else {
    auto normalizer = MakeNormalizer(model);
    if (!normalizer.ok()) return normalizer.status();
    options.normalizer = *std::move(normalizer);
  }
  options.words.mark_spaces = true;
  options.words.prefix = WordRules::Prefix::kAlways;
  options.words.split_at_space_marks = true;

  const auto unknown = folder.SpecialToken("unk_token", "<unk>");
  if (!unknown.ok()) return unknown.status();
  const auto place = std::find_if(pieces->begin(), pieces->end(),
                                  [&](const VocabularyPiece& p) { return p.text == *unknown; });
  if (place == pieces->end()) {
    return folder.tokenizer_config["unk_token"].Error("is none of the pieces");
  }
  const auto unknown_id = static_cast<TokenId>(place - pieces->begin());
  options.may_clean_up_spaces = tokenizer_class != ConvertedClass::kNllb;
  options.model = tokenizer_class == ConvertedClass::kNllb
                      ? MakeBpe(*std::move(pieces), unknown_id)
                      : MakeUnigram(*std::move(pieces), unknown_id);
  return options;
}

}  // namespace transept
