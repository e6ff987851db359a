// A folder with spiece.model: SentencePiece's own rules, and the added tokens of T5's tokenizer.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/json/json.h"
#include "engine/text/subword_tokenizer.h"

namespace transept {

// spiece.model and the files beside it that name added tokens. Absent ones are empty objects.
struct SentencePieceTokenizerFiles {
  std::string model_path;  // for messages
  std::string_view model;  // the file's bytes
  const JsonDocument& tokenizer_config;
  const JsonDocument& special_tokens_map;
  const JsonDocument& added_tokens;  // of transformers before 4.34
};

// `vocab_size` is the model's: "<extra_id_0>" to "<extra_id_99>" exist where nothing says how many
// there are and the model has embeddings for them. Errors name file, field and value.
absl::StatusOr<SubwordTokenizerOptions> ReadSentencePieceTokenizer(
    const SentencePieceTokenizerFiles& files, int32_t vocab_size);

}  // namespace transept
