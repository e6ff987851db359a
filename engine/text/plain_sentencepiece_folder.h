// Tokenizers of the classes for which transformers runs SentencePiece itself and gives its pieces
// ids of their own. They read no tokenizer.json.
//
// Marian's punctuation is left as it is, as transformers leaves it: 4.57 and 5.17 set up the
// normalizer of the Python package sacremoses where that is installed, but nothing calls it.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_folder.h"

namespace transept {

// source.spm, target.spm, vocab.json and, where the sides have separate vocabularies,
// target_vocab.json.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadMarian(const TokenizerFolder& folder,
                                                      const ModelSpec& spec);

// sentencepiece.bpe.model and vocab.json, after which the languages are numbered.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadM2M100(const TokenizerFolder& folder,
                                                      const ModelSpec& spec);

// sentencepiece.bpe.model.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadPLBart(const TokenizerFolder& folder,
                                                      const ModelSpec& spec);

}  // namespace transept
