// Text to token ids and back.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/types/model_spec.h"

namespace transept {

// Decodes a growing token sequence. What it returns, put together, equals Tokenizer::Decode of all
// tokens; each piece of it is valid UTF-8, and what later tokens could still change is held back.
// Time is linear in the tokens and the text. Not thread-safe.
class IncrementalDetokenizer {
 public:
  virtual ~IncrementalDetokenizer() = default;

  // The text that `ids` add.
  virtual std::string Append(absl::Span<const TokenId> ids) = 0;
  // The rest that was held back. Nothing may follow.
  virtual std::string Finish() = 0;
  // One that goes on from here by itself.
  virtual std::unique_ptr<IncrementalDetokenizer> Clone() const = 0;
};

struct Languages;

// What a source is written in and its output is to be written in, as Languages::Find takes names;
// "" leaves it to the folder. Both are "" with a tokenizer that has no languages().
struct LanguagePair {
  std::string_view source;
  std::string_view target;
};

// Immutable and thread-safe.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // The ids the encoder gets for `text`, EOS and other special tokens included: transformers' ids.
  // Special tokens written out in the text, such as "</s>", are recognised as transformers does.
  // Zero bytes are characters like any other; what is not UTF-8 counts as U+FFFD. Time is linear in
  // the text.
  virtual absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text) const = 0;

  // The same for a text of these languages. INVALID_ARGUMENT for one that it does not know.
  virtual absl::StatusOr<std::vector<TokenId>> EncodeSource(std::string_view text,
                                                            const LanguagePair& languages) const;

  // The ids of a text that the output begins with, without a language's token. The model's EOS may
  // stand at the end.
  virtual absl::StatusOr<std::vector<TokenId>> EncodeTarget(std::string_view text) const;

  // The ids of a text within the output: nothing is put around it (transformers'
  // add_special_tokens=False).
  virtual absl::StatusOr<std::vector<TokenId>> EncodeInside(std::string_view text) const = 0;

  // Null for a tokenizer that takes no language. Lives as long as the tokenizer.
  virtual const Languages* languages() const { return nullptr; }

  // Of the output's ids. Must not outlive the tokenizer.
  virtual std::unique_ptr<IncrementalDetokenizer> NewDetokenizer() const = 0;

  // The text of `ids`: valid UTF-8, special tokens skipped. Ids outside the vocabulary are skipped
  // too.
  std::string Decode(absl::Span<const TokenId> ids) const;

  // The vocabulary's own string for `id`, such as "▁the"; "" when there is none. Of the source's
  // vocabulary, where it has one of its own.
  virtual std::string Piece(TokenId id) const = 0;

  // Ids the tokenizer can produce are in [0, vocab_size()). A model's vocabulary may be larger.
  virtual int32_t vocab_size() const = 0;
};

// The tokenizer of a Hugging Face model folder, of the class that tokenizer_config.json or
// config.json names: ByT5's bytes, one of the classes of translation_folder.h, else what
// tokenizer.json says, else vocab.json and merges.txt, else spiece.model with its added tokens;
// T5's may have languages (written_languages.h).
// NOT_FOUND when there is none of these: the model then takes token ids only. Other errors name the
// file, field and value at fault; a tokenizer with ids that `spec` has no embeddings for is one.
absl::StatusOr<std::unique_ptr<Tokenizer>> LoadTokenizer(const std::string& folder,
                                                         const ModelSpec& spec);

}  // namespace transept
