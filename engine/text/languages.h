// The languages that a multilingual model can be told.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/types/model_spec.h"

namespace transept {

// Where the token of the output's language goes.
enum class TargetMark : uint8_t {
  kFirstToken,    // the decoder is made to begin with it, after its start token
  kDecoderStart,  // it is the decoder's start token
  kSource,        // before the source
};

// Where a text that is marked with its language has the language's token: a source, and what
// transformers makes labels of (tokenizer(text_target=...)), by the same rule.
enum class LanguagePlace : uint8_t { kBeforeText, kAfterEos };

struct Languages {
  // At most this many: it bounds the work of naming near ones.
  static constexpr size_t kMost = 10000;

  // By name, such as "eng_Latn" or "en". Never empty.
  std::map<std::string, TokenId, std::less<>> tokens;
  bool mark_source = true;  // sources have a language too, not outputs alone
  TargetMark target_mark = TargetMark::kFirstToken;
  LanguagePlace place = LanguagePlace::kBeforeText;
  // What tokenizer_config.json says; "" where it says nothing, else a name in `tokens`.
  std::string source;
  std::string target;

  // The token of the language `name`, which may also be written as its token is: "__en__" for "en",
  // ">>fra<<" for "fra", "<2de>" for "de". INVALID_ARGUMENT with a few near names if there is none.
  absl::StatusOr<TokenId> Find(std::string_view name) const;
};

// The name in a token such as "__en__", ">>fra<<" or "<2de>"; a token without these marks is its
// own name.
std::string_view LanguageName(std::string_view token);

}  // namespace transept
