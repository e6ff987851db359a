// When a row has ended.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/text/text_stream.h"
#include "engine/text/tokenizer.h"
#include "engine/types/generation.h"
#include "engine/types/result.h"

namespace transept {

// The stopping rules of one row. Not thread-safe. A copy is another row's, with the same past.
class StoppingRules {
 public:
  // Both must outlive this object. `tokenizer` may be null when params has no stop sequences.
  StoppingRules(const DecodeParams* params, const Tokenizer* tokenizer);

  // Takes the row's next generated token. A value ends the row, and no Append may follow: a stop
  // sequence that the text now contains, else an EOS token, else the length.
  std::optional<FinishReason> Append(TokenId token);

  // For a row that goes on although it has ended: from now on its text no longer counts.
  void ForgetText() { text_.reset(); }

 private:
  FinishReason End(FinishReason reason);

  const DecodeParams* params_;
  std::optional<TextStream> text_;  // only with stop sequences
  int32_t generated_ = 0;
};

}  // namespace transept
