// SentencePiece models in the way that transformers 5 turns those of some classes into tokenizers:
// other ids, a normalizer that works by grapheme cluster, and always the same kind of model. (Until
// transformers 4 these classes followed the file.)
#pragma once

#include "absl/status/statusor.h"
#include "engine/text/sentencepiece_model.h"
#include "engine/text/subword_tokenizer.h"
#include "engine/text/tokenizer_folder.h"

namespace transept {

enum class ConvertedClass { kMBart, kMBart50, kNllb, kPegasus };

// What `folder` says beside `model`. Special tokens around a text are left to the caller.
absl::StatusOr<SubwordTokenizerOptions> ConvertSentencePiece(ConvertedClass tokenizer_class,
                                                             const SentencePieceModel& model,
                                                             const TokenizerFolder& folder);

}  // namespace transept
