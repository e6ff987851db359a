// LoadTokenizer: which of a folder's files is the tokenizer.
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/json/json.h"
#include "engine/text/byte_level_tokenizer.h"
#include "engine/text/byte_tokenizer.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/subword_tokenizer.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_json.h"

namespace transept {
namespace {

constexpr int64_t kMaxSpieceModelBytes = int64_t{64} << 20;
constexpr int64_t kMaxMergesBytes = int64_t{64} << 20;

// An empty object where there is no such file.
absl::StatusOr<JsonDocument> ReadOptional(const std::string& path) {
  auto file = JsonDocument::ReadFile(path);
  if (absl::IsNotFound(file.status())) return JsonDocument::Parse("{}", path);
  if (!file.ok()) return file.status();
  if (const auto status = file->root().ExpectObject(); !status.ok()) return status;
  return file;
}

// The name of the class that transformers would load the tokenizer with; may be "".
absl::StatusOr<std::string> TokenizerClass(const std::string& folder,
                                           const JsonDocument& tokenizer_config) {
  if (tokenizer_config["tokenizer_class"].exists()) {
    return tokenizer_config["tokenizer_class"].AsString();
  }
  const auto config = ReadOptional(folder + "/config.json");
  if (!config.ok()) return config.status();
  return (*config)["tokenizer_class"].AsStringOr("");
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
  if (name.ends_with("Fast")) name.remove_suffix(4);
  if (name == "BlenderbotTokenizer" || (name.empty() && family == "blenderbot")) {
    return ByteLevelClass::kBlenderbot;
  }
  for (const std::string_view bart :
       {"BartTokenizer", "RobertaTokenizer", "LEDTokenizer", "MvpTokenizer"}) {
    if (name == bart) return ByteLevelClass::kBart;
  }
  if (name.empty() && family == "bart") return ByteLevelClass::kBart;
  return absl::UnimplementedError(
      absl::StrCat(folder, ": vocab.json and merges.txt of the tokenizer class ", Printable(name),
                   " (model type ", Printable(family), ") cannot be read; tokenizer.json may do"));
}

absl::StatusOr<std::unique_ptr<Tokenizer>> FromByteLevelFiles(const std::string& folder,
                                                              const JsonDocument& tokenizer_config,
                                                              std::string_view name,
                                                              std::string_view family) {
  const std::string path = folder + "/merges.txt";
  const auto merges = ReadBoundedFile(path, kMaxMergesBytes);
  if (!merges.ok()) return merges.status();
  const auto tokenizer_class = ByteLevelClassOf(folder, name, family);
  if (!tokenizer_class.ok()) return tokenizer_class.status();
  const auto vocab = JsonDocument::ReadFile(folder + "/vocab.json", kTokenizerJsonLimits);
  if (!vocab.ok()) return vocab.status();
  const auto special_tokens_map = ReadOptional(folder + "/special_tokens_map.json");
  if (!special_tokens_map.ok()) return special_tokens_map.status();
  const auto added_tokens = ReadOptional(folder + "/added_tokens.json");
  if (!added_tokens.ok()) return added_tokens.status();
  const ByteLevelTokenizerFiles files{.vocab = *vocab,
                                      .merges_path = path,
                                      .merges = *merges,
                                      .tokenizer_config = tokenizer_config,
                                      .special_tokens_map = *special_tokens_map,
                                      .added_tokens = *added_tokens};
  return FromOptions(ReadByteLevelTokenizer(files, *tokenizer_class), tokenizer_config);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> FromSentencePiece(const std::string& folder,
                                                             const JsonDocument& tokenizer_config,
                                                             int32_t vocab_size) {
  const std::string path = folder + "/spiece.model";
  const auto model = ReadBoundedFile(path, kMaxSpieceModelBytes);
  if (!model.ok()) return model.status();
  const auto special_tokens_map = ReadOptional(folder + "/special_tokens_map.json");
  if (!special_tokens_map.ok()) return special_tokens_map.status();
  const auto added_tokens = ReadOptional(folder + "/added_tokens.json");
  if (!added_tokens.ok()) return added_tokens.status();
  const SentencePieceTokenizerFiles files{.model_path = path,
                                          .model = *model,
                                          .tokenizer_config = tokenizer_config,
                                          .special_tokens_map = *special_tokens_map,
                                          .added_tokens = *added_tokens};
  return FromOptions(ReadSentencePieceTokenizer(files, vocab_size), tokenizer_config);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadUnchecked(const std::string& folder,
                                                         const ModelSpec& spec) {
  const auto config = ReadOptional(folder + "/tokenizer_config.json");
  if (!config.ok()) return config.status();
  const auto name = TokenizerClass(folder, *config);
  if (!name.ok()) return name.status();
  if (*name == "ByT5Tokenizer") return ByteTokenizer::Create(*config);

  const auto json = JsonDocument::ReadFile(folder + "/tokenizer.json", kTokenizerJsonLimits);
  if (json.ok()) return FromOptions(ReadTokenizerJson(*json), *config);
  if (!absl::IsNotFound(json.status())) return json.status();

  auto tokenizer = FromByteLevelFiles(folder, *config, *name, spec.family);
  if (!absl::IsNotFound(tokenizer.status())) return tokenizer;
  tokenizer = FromSentencePiece(folder, *config, spec.vocab_size);
  if (absl::IsNotFound(tokenizer.status())) {
    return absl::NotFoundError(absl::StrCat(
        folder, ": no tokenizer: neither tokenizer.json, merges.txt nor spiece.model, and no ",
        "tokenizer_class of ByT5 in tokenizer_config.json or config.json"));
  }
  return tokenizer;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& folder,
                                                         const ModelSpec& spec) {
  auto tokenizer = LoadUnchecked(folder, spec);
  if (tokenizer.ok() && (*tokenizer)->vocab_size() > spec.vocab_size) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder, ": the tokenizer has ", (*tokenizer)->vocab_size(),
                     " tokens, but config.json's vocab_size is ", spec.vocab_size));
  }
  return tokenizer;
}

}  // namespace transept
