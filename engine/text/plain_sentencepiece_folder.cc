#include "engine/text/plain_sentencepiece_folder.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/text/added_token_files.h"
#include "engine/text/language_codes.h"
#include "engine/text/mapped_model.h"
#include "engine/text/marian_tokenizer.h"
#include "engine/text/sentencepiece_encoding.h"
#include "engine/text/tokenizer_json.h"
#include "engine/text/translation_tokenizer.h"

namespace transept {
namespace {

using Result = absl::StatusOr<std::unique_ptr<Tokenizer>>;

// The tokens of vocab.json, all with ids that the model has embeddings for.
absl::StatusOr<Vocabulary> ReadVocabulary(const std::string& path, int32_t vocab_size,
                                          const std::string& unknown) {
  const auto file = JsonDocument::ReadFile(path, kTokenizerJsonLimits);
  if (!file.ok()) return file.status();
  if (const auto status = file->root().ExpectObject(); !status.ok()) return status;
  Vocabulary vocabulary;
  for (std::string& token : file->root().Keys()) {
    const auto id = (*file)[token].AsInt(0, vocab_size - 1);
    if (!id.ok()) return id.status();
    const auto place = static_cast<size_t>(*id);
    if (place >= vocabulary.tokens.size()) vocabulary.tokens.resize(place + 1);
    vocabulary.tokens[place] = token;
    vocabulary.ids.emplace(std::move(token), static_cast<TokenId>(*id));
  }
  const auto it = vocabulary.ids.find(unknown);
  if (it == vocabulary.ids.end()) {
    return (*file)[unknown].Error("the vocabulary needs this token for unknown text");
  }
  vocabulary.unknown_id = it->second;
  return vocabulary;
}

// One side of the classes that run SentencePiece itself.
struct PlainSide {
  SentencePieceModel model;
  std::string model_path;
  Vocabulary vocabulary;
  std::vector<AddedToken> added_tokens;
  bool decodes_controls = false;  // to their own names, else to nothing
};

absl::StatusOr<std::unique_ptr<const Tokenizer>> MakeSide(PlainSide side,
                                                          const TokenizerFolder& folder,
                                                          bool clean_up_default) {
  std::vector<TokenId> controls;
  for (size_t id = 0; id < side.model.pieces.size(); ++id) {
    const bool control = side.model.pieces[id].type == SentencePieceType::kControl;
    if (control && !side.decodes_controls) {
      controls.push_back(static_cast<TokenId>(id));
    }
  }
  auto encoding = MakeSentencePieceEncoding(side.model);
  if (!encoding.ok()) {
    return absl::Status(encoding.status().code(),
                        absl::StrCat(side.model_path, ": ", encoding.status().message()));
  }
  const auto clean_up =
      folder.tokenizer_config["clean_up_tokenization_spaces"].AsBoolOr(clean_up_default);
  if (!clean_up.ok()) return clean_up.status();
  SubwordTokenizerOptions options;
  options.model = std::make_unique<MappedModel>(std::move(encoding->model), side.model.unknown_id,
                                                controls, std::move(side.vocabulary));
  options.added_tokens = std::move(side.added_tokens);
  options.normalizer = std::move(encoding->normalizer);
  options.words = encoding->words;
  options.decoding = {.start = DecodingRules::Start::kKeep,
                      .bytes = side.model.byte_fallback ? DecodingRules::Bytes::kByCharacter
                                                        : DecodingRules::Bytes::kAsWritten,
                      .strip_ends = true,
                      .clean_up_spaces = *clean_up};
  return std::make_unique<SubwordTokenizer>(std::move(options));
}

// A name of a special token, and its text where no file gives another.
using SpecialName = std::pair<const char*, const char*>;

// The tokens to look for in text: those that the files list, and of the special ones those that the
// vocabulary has.
absl::StatusOr<std::vector<AddedToken>> ReadAddedTokens(const TokenizerFolder& folder,
                                                        const std::vector<SpecialName>& names,
                                                        const Vocabulary& vocabulary) {
  auto tokens = ReadAddedTokensDecoder(folder.tokenizer_config["added_tokens_decoder"]);
  if (!tokens.ok()) return tokens;
  const auto add = [&](const std::string& content, TokenId id, bool special) {
    const auto it = std::find_if(tokens->begin(), tokens->end(),
                                 [&](const AddedToken& token) { return token.content == content; });
    if (it == tokens->end()) {
      tokens->push_back({.id = id, .content = content, .special = special});
    } else {
      it->special |= special;
    }
  };
  for (const std::string& content : folder.added_tokens.root().Keys()) {
    const auto id = ReadTokenId(folder.added_tokens[content]);
    if (!id.ok()) return id.status();
    if (content.empty()) return folder.added_tokens[content].Error("its name must not be empty");
    add(content, *id, false);
  }
  std::set<std::string> special;
  for (const JsonDocument* file : {&folder.tokenizer_config, &folder.special_tokens_map}) {
    auto listed = ReadSpecialTokens(file->root());
    if (!listed.ok()) return listed.status();
    special.merge(*listed);
  }
  for (const SpecialName& name : names) {
    auto content = folder.SpecialToken(name.first, name.second);
    if (!content.ok()) return content.status();
    special.insert(*std::move(content));
  }
  for (const std::string& content : special) {
    const auto it = vocabulary.ids.find(content);
    const bool listed = std::any_of(tokens->begin(), tokens->end(), [&](const AddedToken& token) {
      return token.content == content;
    });
    if (it != vocabulary.ids.end() || listed) {
      add(content, listed ? 0 : it->second, true);
    }
  }
  // They are looked for in the text as it comes.
  for (AddedToken& token : *tokens) token.normalized = false;
  return tokens;
}

absl::StatusOr<TokenId> IdOfSpecial(const TokenizerFolder& folder, const SpecialName& name,
                                    const Vocabulary& vocabulary) {
  const auto content = folder.SpecialToken(name.first, name.second);
  if (!content.ok()) return content.status();
  const auto it = vocabulary.ids.find(*content);
  if (it != vocabulary.ids.end()) return it->second;
  return folder.tokenizer_config[name.first].Error(
      absl::StrCat("the vocabulary lacks ", Printable(*content)));
}

// Appends the tokens of `codes` to the vocabulary and names them as languages.
void AddLanguages(absl::Span<const std::string_view> codes, Vocabulary* vocabulary,
                  Languages* languages) {
  for (const std::string_view code : codes) {
    const auto id = static_cast<TokenId>(vocabulary->tokens.size());
    const std::string token = absl::StrCat("__", std::string(code), "__");
    vocabulary->tokens.push_back(token);
    vocabulary->ids[token] = id;
    languages->tokens.emplace(code, id);
  }
}

Result FromOneSide(absl::StatusOr<std::unique_ptr<const Tokenizer>> side, TokenId eos,
                   Languages languages) {
  if (!side.ok()) return side.status();
  TranslationTokenizer::Options options;
  options.source = *std::move(side);
  options.eos = eos;
  options.languages = std::move(languages);
  return std::make_unique<TranslationTokenizer>(std::move(options));
}

// fairseq's four special tokens, then the pieces after SentencePiece's three.
Vocabulary PLBartVocabulary(const SentencePieceModel& model) {
  Vocabulary vocabulary;
  vocabulary.tokens = {"<s>", "<pad>", "</s>", "<unk>"};
  for (size_t i = 3; i < model.pieces.size(); ++i) {
    vocabulary.tokens.push_back(model.pieces[i].text);
  }
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    vocabulary.ids.emplace(vocabulary.tokens[i], static_cast<TokenId>(i));
  }
  vocabulary.unknown_id = 3;
  return vocabulary;
}

// Those of the vocabulary's tokens that may stand before a text, such as ">>fra<<".
absl::flat_hash_map<std::string, TokenId> CodesOf(const Vocabulary& vocabulary) {
  absl::flat_hash_map<std::string, TokenId> codes;
  for (const auto& [token, id] : vocabulary.ids) {
    if (!token.empty() && LeadingCode(token) == token) codes.emplace(token, id);
  }
  return codes;
}

absl::StatusOr<std::unique_ptr<const Tokenizer>> MakeMarianSide(
    const TokenizerFolder& folder, const char* file, const std::vector<SpecialName>& names,
    Vocabulary vocabulary) {
  auto added_tokens = ReadAddedTokens(folder, names, vocabulary);
  if (!added_tokens.ok()) return added_tokens.status();
  auto model = ReadSentencePieceModel(folder.path + file);
  if (!model.ok()) return model.status();
  MarianTokenizer::Options options;
  options.codes = CodesOf(vocabulary);
  options.unknown_id = vocabulary.unknown_id;
  options.added_tokens = *added_tokens;
  auto pieces = MakeSide({.model = *std::move(model),
                          .model_path = folder.path + file,
                          .vocabulary = std::move(vocabulary),
                          .added_tokens = *std::move(added_tokens)},
                         folder, false);
  if (!pieces.ok()) return pieces.status();
  options.pieces = *std::move(pieces);
  return std::make_unique<MarianTokenizer>(std::move(options));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadMarian(const TokenizerFolder& folder,
                                                      const ModelSpec& spec) {
  const std::vector<SpecialName> names = {
      {"unk_token", "<unk>"}, {"eos_token", "</s>"}, {"pad_token", "<pad>"}};
  const auto unknown = folder.SpecialToken("unk_token", "<unk>");
  if (!unknown.ok()) return unknown.status();
  const auto separate = folder.tokenizer_config["separate_vocabs"].AsBoolOr(false);
  if (!separate.ok()) return separate.status();
  auto source_vocabulary =
      ReadVocabulary(folder.path + "/vocab.json", spec.source_vocab_size(), *unknown);
  if (!source_vocabulary.ok()) return source_vocabulary.status();
  auto target_vocabulary = source_vocabulary;
  if (*separate) {
    target_vocabulary =
        ReadVocabulary(folder.path + "/target_vocab.json", spec.vocab_size, *unknown);
    if (!target_vocabulary.ok()) return target_vocabulary.status();
  }

  TranslationTokenizer::Options options;
  const auto eos = IdOfSpecial(folder, names[1], *source_vocabulary);
  if (!eos.ok()) return eos.status();
  options.eos = *eos;
  Languages languages;
  languages.mark_source = false;
  languages.target_mark = TargetMark::kSource;
  for (const auto& [token, id] : CodesOf(*source_vocabulary)) {
    if (LanguageName(token) != token) languages.tokens.emplace(LanguageName(token), id);
  }
  if (!languages.tokens.empty()) {
    if (auto status = folder.ReadLanguages("", &languages); !status.ok()) return status;
    options.languages = std::move(languages);
  }
  auto source = MakeMarianSide(folder, "/source.spm", names, *std::move(source_vocabulary));
  if (!source.ok()) return source.status();
  options.source = *std::move(source);
  auto target = MakeMarianSide(folder, "/target.spm", names, *std::move(target_vocabulary));
  if (!target.ok()) return target.status();
  options.target = *std::move(target);
  return std::make_unique<TranslationTokenizer>(std::move(options));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadM2M100(const TokenizerFolder& folder,
                                                      const ModelSpec& spec) {
  const std::vector<SpecialName> names = {{"unk_token", "<unk>"},
                                          {"eos_token", "</s>"},
                                          {"pad_token", "<pad>"},
                                          {"bos_token", "<s>"},
                                          {"sep_token", "</s>"}};
  const auto unknown = folder.SpecialToken("unk_token", "<unk>");
  if (!unknown.ok()) return unknown.status();
  auto vocabulary = ReadVocabulary(folder.path + "/vocab.json", spec.vocab_size, *unknown);
  if (!vocabulary.ok()) return vocabulary.status();
  const JsonView codes = folder.tokenizer_config["language_codes"];
  const auto code_set = codes.AsStringOr("m2m100");
  if (!code_set.ok()) return code_set.status();
  if (*code_set != "m2m100" && *code_set != "wmt21") return codes.Error("must be m2m100 or wmt21");
  Languages languages;
  AddLanguages(*code_set == "m2m100" ? M2M100Languages() : Wmt21Languages(), &*vocabulary,
               &languages);
  if (auto status = folder.ReadLanguages("en", &languages); !status.ok()) return status;
  const auto eos = IdOfSpecial(folder, names[1], *vocabulary);
  if (!eos.ok()) return eos.status();
  auto added_tokens = ReadAddedTokens(folder, names, *vocabulary);
  if (!added_tokens.ok()) return added_tokens.status();
  const std::string path = folder.path + "/sentencepiece.bpe.model";
  auto model = ReadSentencePieceModel(path);
  if (!model.ok()) return model.status();
  return FromOneSide(MakeSide({.model = *std::move(model),
                               .model_path = path,
                               .vocabulary = *std::move(vocabulary),
                               .added_tokens = *std::move(added_tokens)},
                              folder, false),
                     *eos, std::move(languages));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadPLBart(const TokenizerFolder& folder,
                                                      const ModelSpec& /*spec*/) {
  const std::string path = folder.path + "/sentencepiece.bpe.model";
  auto model = ReadSentencePieceModel(path);
  if (!model.ok()) return model.status();
  Vocabulary vocabulary = PLBartVocabulary(*model);
  const JsonView codes = folder.tokenizer_config["language_codes"];
  const auto code_set = codes.AsStringOr("base");
  if (!code_set.ok()) return code_set.status();
  if (*code_set != "base" && *code_set != "multi") return codes.Error("must be base or multi");
  const bool base = *code_set == "base";
  Languages languages;
  languages.target_mark = TargetMark::kDecoderStart;
  languages.place = LanguagePlace::kAfterEos;
  AddLanguages(base ? PLBartBaseLanguages() : PLBartMultiLanguages(), &vocabulary, &languages);
  if (auto status = folder.ReadLanguages(base ? "" : "en_XX", &languages); !status.ok()) {
    return status;
  }
  auto added_tokens = ReadAddedTokens(folder, {}, vocabulary);
  if (!added_tokens.ok()) return added_tokens.status();
  const auto add = [&](TokenId id, const std::string& content) {
    std::erase_if(*added_tokens, [&](const AddedToken& token) { return token.content == content; });
    added_tokens->push_back({.id = id, .content = content, .special = true});
  };
  // "multi" checkpoints have no token for a mask, which is looked for all the same.
  add(base ? static_cast<TokenId>(vocabulary.tokens.size()) : vocabulary.unknown_id, "<mask>");
  for (TokenId id = 0; id < 4; ++id) add(id, vocabulary.tokens[static_cast<size_t>(id)]);
  for (const auto& [name, id] : languages.tokens) {
    add(id, vocabulary.tokens[static_cast<size_t>(id)]);
  }
  return FromOneSide(MakeSide({.model = *std::move(model),
                               .model_path = path,
                               .vocabulary = std::move(vocabulary),
                               .added_tokens = *std::move(added_tokens),
                               .decodes_controls = true},
                              folder, true),
                     2, std::move(languages));
}

}  // namespace transept
