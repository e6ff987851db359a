#include "engine/text/sentencepiece_tokenizer.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/text/added_token_files.h"
#include "engine/text/sentencepiece_encoding.h"
#include "engine/text/sentencepiece_model.h"

namespace transept {
namespace {

constexpr int64_t kMaxExtraIds = 100000;
constexpr int32_t kDefaultExtraIds = 100;

using TokensByContent = std::map<std::string, AddedToken>;

absl::Status InFile(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

// What the files name as special tokens, and the EOS token.
absl::StatusOr<std::set<std::string>> NamedSpecial(const SentencePieceTokenizerFiles& files,
                                                   const std::string& eos) {
  std::set<std::string> names = {eos};
  for (const JsonDocument* file : {&files.special_tokens_map, &files.tokenizer_config}) {
    auto special = ReadSpecialTokens(file->root());
    if (!special.ok()) return special.status();
    names.merge(*special);
  }
  return names;
}

// The special pieces. SentencePiece itself finds user-defined ones, in the text around them, unless
// they are named `special`.
void AddPieces(const SentencePieceModel& model, const std::set<std::string>& special,
               TokensByContent* tokens) {
  for (size_t id = 0; id < model.pieces.size(); ++id) {
    const SentencePieceModel::Piece& piece = model.pieces[id];
    if (piece.type == SentencePieceType::kControl || piece.type == SentencePieceType::kUnknown ||
        (piece.type == SentencePieceType::kUserDefined && special.contains(piece.text))) {
      (*tokens)[piece.text] = {
          .id = static_cast<TokenId>(id), .content = piece.text, .special = true};
    }
  }
}

// The sentinels, after the pieces and in reverse.
absl::Status AddExtraIds(const JsonDocument& config, int32_t num_pieces, int32_t vocab_size,
                         TokensByContent* tokens) {
  const bool defaults_fit = vocab_size - num_pieces >= kDefaultExtraIds;
  const auto count =
      config["extra_ids"].AsIntOr(defaults_fit ? kDefaultExtraIds : 0, 0, kMaxExtraIds);
  if (!count.ok()) return count.status();
  const auto n = static_cast<int32_t>(*count);
  for (int32_t i = 0; i < n; ++i) {
    std::string content = absl::StrCat("<extra_id_", i, ">");
    AddedToken token{.id = num_pieces + n - 1 - i, .content = content, .special = true};
    tokens->emplace(std::move(content), std::move(token));
  }
  return absl::OkStatus();
}

absl::Status AddListedTokens(const SentencePieceTokenizerFiles& files,
                             const std::set<std::string>& special, TokensByContent* tokens) {
  auto listed = ReadAddedTokensDecoder(files.tokenizer_config["added_tokens_decoder"]);
  if (!listed.ok()) return listed.status();
  for (const std::string& content : files.added_tokens.root().Keys()) {
    const auto id = ReadTokenId(files.added_tokens[content]);
    if (!id.ok()) return id.status();
    if (content.empty()) return files.added_tokens[content].Error("its name must not be empty");
    if (listed->empty() || tokens->count(content) == 0) {
      (*tokens)[content] = {.id = *id, .content = content};
    }
  }
  for (AddedToken& token : *listed) (*tokens)[token.content] = std::move(token);
  for (const std::string& content : special) {
    const auto it = tokens->find(content);
    if (it != tokens->end()) it->second.special = true;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SubwordTokenizerOptions> ReadSentencePieceTokenizer(
    const SentencePieceTokenizerFiles& files, int32_t vocab_size) {
  const auto model = ParseSentencePieceModel(files.model);
  if (!model.ok()) return InFile(files.model_path, model.status());
  auto encoding = MakeSentencePieceEncoding(*model);
  if (!encoding.ok()) return InFile(files.model_path, encoding.status());

  SubwordTokenizerOptions options;
  options.model = std::move(encoding->model);
  options.normalizer = std::move(encoding->normalizer);
  options.words = encoding->words;

  options.may_clean_up_spaces = model->kind != SentencePieceKind::kBpe;

  const auto eos = ReadSpecialToken(files.tokenizer_config["eos_token"], "</s>");
  if (!eos.ok()) return eos.status();
  const auto special = NamedSpecial(files, *eos);
  if (!special.ok()) return special.status();
  TokensByContent tokens;
  AddPieces(*model, *special, &tokens);
  absl::Status status = AddExtraIds(
      files.tokenizer_config, static_cast<int32_t>(model->pieces.size()), vocab_size, &tokens);
  if (status.ok()) status = AddListedTokens(files, *special, &tokens);
  if (!status.ok()) return status;

  const auto eos_token = tokens.find(*eos);
  if (eos_token == tokens.end()) {
    return absl::InvalidArgumentError(absl::StrCat(
        files.model_path, ": pieces and added tokens lack the EOS token \"", *eos, "\""));
  }
  options.suffix_tokens.push_back(eos_token->second.id);
  for (auto& [content, token] : tokens) options.added_tokens.push_back(std::move(token));

  if (!model->add_dummy_prefix) options.decoding.start = DecodingRules::Start::kKeep;
  if (model->byte_fallback) options.decoding.bytes = DecodingRules::Bytes::kByCharacter;
  return options;
}

}  // namespace transept
