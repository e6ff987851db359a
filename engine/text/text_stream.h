// The text of one output as it grows, ended by stop sequences.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "engine/text/tokenizer.h"

namespace transept {

// Returns the text of a growing token sequence in pieces of valid UTF-8, up to the first stop
// sequence and without it. Of several, the one whose last character comes first ends the text (the
// longest, if they end together), so that the text does not depend on how the tokens were cut into
// calls. Not thread-safe. A copy goes on by itself.
class TextStream {
 public:
  // `tokenizer` must outlive this object. Empty stop sequences are ignored.
  TextStream(const Tokenizer* tokenizer, std::vector<std::string> stop_sequences);
  TextStream(const TextStream& other);
  TextStream(TextStream&&) = default;
  TextStream& operator=(TextStream&&) = default;

  // The text that `ids` add, as far as it can't be the start of a stop sequence. "" once stopped.
  std::string Append(absl::Span<const TokenId> ids);

  // The rest that was held back; may come upon a stop sequence in it. No Append may follow.
  std::string Finish();

  // Whether a stop sequence has appeared.
  bool stopped() const { return stopped_; }

 private:
  // Searches a growing text for one string (Knuth, Morris and Pratt).
  struct Pattern {
    explicit Pattern(std::string stop_sequence);

    std::string sequence;
    std::vector<size_t> fallback;  // [i]: the longest proper border of the first i bytes
  };
  struct Matcher {
    // Takes the next byte; true when the text now ends with the whole sequence.
    bool Advance(char c);

    std::shared_ptr<const Pattern> pattern;
    size_t matched = 0;  // bytes of the sequence that the text ends with
  };

  std::string Filter(std::string_view text);

  std::unique_ptr<IncrementalDetokenizer> detokenizer_;
  std::vector<Matcher> matchers_;
  std::string held_;  // the end of the text, which may be the start of a stop sequence
  bool stopped_ = false;
};

}  // namespace transept
