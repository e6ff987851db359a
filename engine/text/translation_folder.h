// Model folders whose tokenizer is one of transformers' classes with languages, with a vocabulary
// beside its SentencePiece model, or with ids of its own: Marian, M2M100, PLBart, mBART, mBART-50,
// NLLB and Pegasus.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_folder.h"

namespace transept {

// Whether `tokenizer_class`, as transformers names it but for a "Fast" at its end, is one of them.
bool IsTranslationClass(std::string_view tokenizer_class);

// The tokenizer of such a class. Errors name file, field and value; NOT_FOUND the file that is
// missing.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTranslationTokenizer(
    std::string_view tokenizer_class, const TokenizerFolder& folder, const ModelSpec& spec);

}  // namespace transept
