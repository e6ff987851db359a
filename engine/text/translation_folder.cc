#include "engine/text/translation_folder.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "engine/text/converted_sentencepiece.h"
#include "engine/text/languages.h"
#include "engine/text/plain_sentencepiece_folder.h"
#include "engine/text/sentencepiece_model.h"
#include "engine/text/tokenizer_json.h"
#include "engine/text/translation_tokenizer.h"

namespace transept {
namespace {

using Result = absl::StatusOr<std::unique_ptr<Tokenizer>>;

// "en_XX" and "eng_Latn".
bool IsLanguageCode(std::string_view token) {
  const size_t split = token.find('_');
  if (split == std::string_view::npos) return false;
  const std::string_view language = token.substr(0, split), region = token.substr(split + 1);
  return language.size() >= 2 && language.size() <= 3 && region.size() >= 2 && region.size() <= 4 &&
         std::all_of(language.begin(), language.end(), absl::ascii_islower) &&
         std::all_of(region.begin(), region.end(), absl::ascii_isalpha);
}

// What tokenizer.json says or, without one, the SentencePiece model.
absl::StatusOr<SubwordTokenizerOptions> ReadConverted(ConvertedClass tokenizer_class,
                                                      const TokenizerFolder& folder) {
  const auto json = JsonDocument::ReadFile(folder.path + "/tokenizer.json", kTokenizerJsonLimits);
  if (json.ok()) return ReadTokenizerJson(*json);
  if (!absl::IsNotFound(json.status())) return json.status();
  const bool pegasus = tokenizer_class == ConvertedClass::kPegasus;
  const auto model = ReadSentencePieceModel(
      folder.path + (pegasus ? "/spiece.model" : "/sentencepiece.bpe.model"));
  if (!model.ok()) return model.status();
  return ConvertSentencePiece(tokenizer_class, *model, folder);
}

Result LoadConverted(ConvertedClass tokenizer_class, const TokenizerFolder& folder) {
  auto options = ReadConverted(tokenizer_class, folder);
  if (!options.ok()) return options.status();
  const auto clean_up = folder.tokenizer_config["clean_up_tokenization_spaces"].AsBoolOr(false);
  if (!clean_up.ok()) return clean_up.status();
  options->decoding.clean_up_spaces = *clean_up && options->may_clean_up_spaces;
  options->prefix_tokens.clear();
  options->suffix_tokens.clear();

  TranslationTokenizer::Options result;
  const auto eos_text = folder.SpecialToken("eos_token", "</s>");
  if (!eos_text.ok()) return eos_text.status();
  const auto eos =
      std::find_if(options->added_tokens.begin(), options->added_tokens.end(),
                   [&](const AddedToken& token) { return token.content == *eos_text; });
  if (eos == options->added_tokens.end()) {
    return folder.tokenizer_config["eos_token"].Error(
        absl::StrCat("the vocabulary lacks ", Printable(*eos_text)));
  }
  result.eos = eos->id;
  if (tokenizer_class != ConvertedClass::kPegasus) {
    Languages languages;
    for (const AddedToken& token : options->added_tokens) {
      if (token.special && IsLanguageCode(token.content)) {
        languages.tokens.emplace(token.content, token.id);
      }
    }
    const bool nllb = tokenizer_class == ConvertedClass::kNllb;
    auto status = folder.ReadLanguages(nllb ? "eng_Latn" : "en_XX", &languages);
    if (!status.ok()) return status;
    const auto legacy = folder.tokenizer_config["legacy_behaviour"].AsBoolOr(false);
    if (!legacy.ok()) return legacy.status();
    const bool mbart = tokenizer_class == ConvertedClass::kMBart;
    if (mbart) languages.target_mark = TargetMark::kDecoderStart;
    if (mbart || (nllb && *legacy)) languages.place = LanguagePlace::kAfterEos;
    result.languages = std::move(languages);
  }
  result.source = std::make_unique<SubwordTokenizer>(*std::move(options));
  return std::make_unique<TranslationTokenizer>(std::move(result));
}

Result LoadMBart(const TokenizerFolder& folder, const ModelSpec& /*spec*/) {
  return LoadConverted(ConvertedClass::kMBart, folder);
}
Result LoadMBart50(const TokenizerFolder& folder, const ModelSpec& /*spec*/) {
  return LoadConverted(ConvertedClass::kMBart50, folder);
}
Result LoadNllb(const TokenizerFolder& folder, const ModelSpec& /*spec*/) {
  return LoadConverted(ConvertedClass::kNllb, folder);
}
Result LoadPegasus(const TokenizerFolder& folder, const ModelSpec& /*spec*/) {
  return LoadConverted(ConvertedClass::kPegasus, folder);
}

struct Loader {
  std::string_view tokenizer_class;
  Result (*load)(const TokenizerFolder& folder, const ModelSpec& spec);
};
constexpr std::array<Loader, 7> kLoaders = {{{"MarianTokenizer", LoadMarian},
                                             {"M2M100Tokenizer", LoadM2M100},
                                             {"PLBartTokenizer", LoadPLBart},
                                             {"MBartTokenizer", LoadMBart},
                                             {"MBart50Tokenizer", LoadMBart50},
                                             {"NllbTokenizer", LoadNllb},
                                             {"PegasusTokenizer", LoadPegasus}}};

const Loader* FindLoader(std::string_view tokenizer_class) {
  const auto it = std::find_if(kLoaders.begin(), kLoaders.end(), [&](const Loader& loader) {
    return loader.tokenizer_class == tokenizer_class;
  });
  return it == kLoaders.end() ? nullptr : &*it;
}

}  // namespace

bool IsTranslationClass(std::string_view tokenizer_class) {
  return FindLoader(tokenizer_class) != nullptr;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTranslationTokenizer(
    std::string_view tokenizer_class, const TokenizerFolder& folder, const ModelSpec& spec) {
  return FindLoader(tokenizer_class)->load(folder, spec);
}

}  // namespace transept
