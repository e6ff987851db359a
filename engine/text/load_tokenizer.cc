// LoadTokenizer: which of a folder's files is the tokenizer.
#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "engine/json/json.h"
#include "engine/text/byte_level_tokenizer.h"
#include "engine/text/byte_tokenizer.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/subword_tokenizer.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_folder.h"
#include "engine/text/tokenizer_json.h"
#include "engine/text/translation_folder.h"
#include "engine/text/written_languages.h"

namespace transept {
namespace {

constexpr int64_t kMaxSpieceModelBytes = int64_t{64} << 20;
constexpr int64_t kMaxMergesBytes = int64_t{64} << 20;

// The class that transformers takes for a family whose folder names none.
struct DefaultClass {
  std::string_view family, tokenizer_class;
};
constexpr DefaultClass kDefaultClasses[] = {
    {"bart", "BartTokenizer"},      {"blenderbot", "BlenderbotTokenizer"},
    {"marian", "MarianTokenizer"},  {"m2m_100", "M2M100Tokenizer"},
    {"plbart", "PLBartTokenizer"},  {"mbart", "MBartTokenizer"},
    {"pegasus", "PegasusTokenizer"}};

// The name of the class that transformers would load the tokenizer with, without "Fast" at its end;
// may be "".
absl::StatusOr<std::string> TokenizerClass(const TokenizerFolder& folder, std::string_view family) {
  auto name = folder.tokenizer_config["tokenizer_class"].AsStringOr("");
  if (!name.ok()) return name;
  if (name->empty()) {
    const auto config = ReadOptionalJson(folder.path + "/config.json");
    if (!config.ok()) return config.status();
    name = (*config)["tokenizer_class"].AsStringOr("");
    if (!name.ok()) return name;
  }
  if (!name->empty()) return std::string(absl::StripSuffix(*name, "Fast"));
  const auto known = std::find_if(
      std::begin(kDefaultClasses), std::end(kDefaultClasses),
      [family](const DefaultClass& default_class) { return default_class.family == family; });
  return known == std::end(kDefaultClasses) ? "" : std::string(known->tokenizer_class);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> FromOptions(
    absl::StatusOr<SubwordTokenizerOptions> options, const JsonDocument& tokenizer_config) {
  if (!options.ok()) return options.status();
  if (auto& byte_level = options->words.byte_level) {
    const auto prefix_space =
        tokenizer_config["add_prefix_space"].AsBoolOr(byte_level->prefix_space);
    if (!prefix_space.ok()) return prefix_space.status();
    byte_level->prefix_space = *prefix_space;
  }
  const auto clean_up = tokenizer_config["clean_up_tokenization_spaces"].AsBoolOr(false);
  if (!clean_up.ok()) return clean_up.status();
  options->decoding.clean_up_spaces = *clean_up && options->may_clean_up_spaces;
  return std::make_unique<SubwordTokenizer>(*std::move(options));
}

// UNIMPLEMENTED for classes that read such files in another way.
absl::StatusOr<ByteLevelClass> ByteLevelClassOf(const std::string& folder, std::string_view name,
                                                std::string_view family) {
  if (name == "BlenderbotTokenizer") return ByteLevelClass::kBlenderbot;
  for (const std::string_view bart :
       {"BartTokenizer", "RobertaTokenizer", "LEDTokenizer", "MvpTokenizer"}) {
    if (name == bart) return ByteLevelClass::kBart;
  }
  return absl::UnimplementedError(
      absl::StrCat(folder, ": vocab.json and merges.txt of the tokenizer class ", Printable(name),
                   " (model type ", Printable(family), ") cannot be read; tokenizer.json may do"));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> FromByteLevelFiles(const TokenizerFolder& folder,
                                                              std::string_view name,
                                                              std::string_view family) {
  const std::string path = folder.path + "/merges.txt";
  const auto merges = ReadBoundedFile(path, kMaxMergesBytes);
  if (!merges.ok()) return merges.status();
  const auto tokenizer_class = ByteLevelClassOf(folder.path, name, family);
  if (!tokenizer_class.ok()) return tokenizer_class.status();
  const auto vocab = JsonDocument::ReadFile(folder.path + "/vocab.json", kTokenizerJsonLimits);
  if (!vocab.ok()) return vocab.status();
  const ByteLevelTokenizerFiles files{.vocab = *vocab,
                                      .merges_path = path,
                                      .merges = *merges,
                                      .tokenizer_config = folder.tokenizer_config,
                                      .special_tokens_map = folder.special_tokens_map,
                                      .added_tokens = folder.added_tokens};
  return FromOptions(ReadByteLevelTokenizer(files, *tokenizer_class), folder.tokenizer_config);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> FromSentencePiece(const TokenizerFolder& folder,
                                                             int32_t vocab_size) {
  const std::string path = folder.path + "/spiece.model";
  const auto model = ReadBoundedFile(path, kMaxSpieceModelBytes);
  if (!model.ok()) return model.status();
  const SentencePieceTokenizerFiles files{.model_path = path,
                                          .model = *model,
                                          .tokenizer_config = folder.tokenizer_config,
                                          .special_tokens_map = folder.special_tokens_map,
                                          .added_tokens = folder.added_tokens};
  return FromOptions(ReadSentencePieceTokenizer(files, vocab_size), folder.tokenizer_config);
}

// What tokenizer.json says, else vocab.json and merges.txt, else spiece.model.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadFiles(const TokenizerFolder& folder,
                                                     std::string_view name, const ModelSpec& spec) {
  const std::string& path = folder.path;
  const auto json = JsonDocument::ReadFile(path + "/tokenizer.json", kTokenizerJsonLimits);
  if (json.ok()) return FromOptions(ReadTokenizerJson(*json), folder.tokenizer_config);
  if (!absl::IsNotFound(json.status())) return json.status();

  auto tokenizer = FromByteLevelFiles(folder, name, spec.family);
  if (!absl::IsNotFound(tokenizer.status())) return tokenizer;
  tokenizer = FromSentencePiece(folder, spec.vocab_size);
  if (absl::IsNotFound(tokenizer.status())) {
    return absl::NotFoundError(absl::StrCat(
        path, ": no tokenizer: neither tokenizer.json, merges.txt nor spiece.model, and no other ",
        "tokenizer_class that this version knows in tokenizer_config.json or config.json"));
  }
  return tokenizer;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadUnchecked(const std::string& path,
                                                         const ModelSpec& spec) {
  const auto folder = TokenizerFolder::Open(path);
  if (!folder.ok()) return folder.status();
  const auto name = TokenizerClass(*folder, spec.family);
  if (!name.ok()) return name.status();
  if (*name == "ByT5Tokenizer") return ByteTokenizer::Create(folder->tokenizer_config);
  if (IsTranslationClass(*name)) return LoadTranslationTokenizer(*name, *folder, spec);
  auto tokenizer = LoadFiles(*folder, *name, spec);
  if (!tokenizer.ok() || *name != "T5Tokenizer") return tokenizer;
  return WithWrittenLanguages(*std::move(tokenizer));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& folder,
                                                         const ModelSpec& spec) {
  auto tokenizer = LoadUnchecked(folder, spec);
  if (tokenizer.ok() && (*tokenizer)->vocab_size() > spec.source_vocab_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder, ": the tokenizer has ", (*tokenizer)->vocab_size(),
                     " tokens, but config.json's vocab_size is ", spec.source_vocab_size()));
  }
  return tokenizer;
}

}  // namespace transept
