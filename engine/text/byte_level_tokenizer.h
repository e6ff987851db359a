// A folder with vocab.json and merges.txt: byte-level BPE, as BART and Blenderbot have it.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/json/json.h"
#include "engine/text/subword_tokenizer.h"

namespace transept {

// The two files and those beside them that name special tokens. Absent ones are empty objects.
struct ByteLevelTokenizerFiles {
  const JsonDocument& vocab;
  std::string merges_path;  // for messages
  std::string_view merges;  // the file's bytes
  const JsonDocument& tokenizer_config;
  const JsonDocument& special_tokens_map;
  const JsonDocument& added_tokens;  // of transformers before 4.34
};

// What transformers' class for such files does where tokenizer_config.json says nothing.
enum class ByteLevelClass {
  kBart,  // RobertaTokenizer, which is BartTokenizer too: "<s>" before the text and "</s>" after it
  // A space before the text. Nothing after it unless the file's add_eos_token is true: that is what
  // transformers 5 does, though the models were trained with "</s>".
  kBlenderbot,
};

// Errors name file, field and value.
absl::StatusOr<SubwordTokenizerOptions> ReadByteLevelTokenizer(const ByteLevelTokenizerFiles& files,
                                                               ByteLevelClass tokenizer_class);

}  // namespace transept
