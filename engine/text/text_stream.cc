#include "engine/text/text_stream.h"

#include <algorithm>
#include <utility>

namespace transept {

TextStream::Pattern::Pattern(std::string stop_sequence)
    : sequence(std::move(stop_sequence)), fallback(sequence.size() + 1) {
  for (size_t i = 1; i < sequence.size(); ++i) {
    size_t border = fallback[i];
    while (border > 0 && sequence[border] != sequence[i]) border = fallback[border];
    fallback[i + 1] = sequence[border] == sequence[i] ? border + 1 : 0;
  }
}

bool TextStream::Matcher::Advance(char c) {
  const std::string& sequence = pattern->sequence;
  while (matched > 0 && sequence[matched] != c) matched = pattern->fallback[matched];
  if (sequence[matched] == c) ++matched;
  return matched == sequence.size();
}

TextStream::TextStream(const Tokenizer* tokenizer, std::vector<std::string> stop_sequences)
    : detokenizer_(tokenizer->NewDetokenizer()) {
  for (std::string& sequence : stop_sequences) {
    if (sequence.empty()) continue;
    matchers_.push_back({std::make_shared<const Pattern>(std::move(sequence))});
  }
}

TextStream::TextStream(const TextStream& other)
    : detokenizer_(other.detokenizer_->Clone()),
      matchers_(other.matchers_),
      held_(other.held_),
      stopped_(other.stopped_) {}

std::string TextStream::Append(absl::Span<const TokenId> ids) {
  if (stopped_) return "";
  return Filter(detokenizer_->Append(ids));
}

std::string TextStream::Finish() {
  if (stopped_) return "";
  std::string text = Filter(detokenizer_->Finish());
  if (!stopped_) text += std::exchange(held_, "");
  return text;
}

std::string TextStream::Filter(std::string_view text) {
  if (matchers_.empty()) return std::string(text);
  size_t hold = held_.size();
  for (const char c : text) {
    held_ += c;
    hold = 0;
    size_t longest_match = 0;
    for (Matcher& matcher : matchers_) {
      if (matcher.Advance(c)) {
        longest_match = std::max(longest_match, matcher.pattern->sequence.size());
      }
      hold = std::max(hold, matcher.matched);
    }
    if (longest_match > 0) {
      stopped_ = true;
      held_.resize(held_.size() - longest_match);
      return std::exchange(held_, "");
    }
  }
  std::string safe = held_.substr(0, held_.size() - hold);
  held_.erase(0, held_.size() - hold);
  return safe;
}

}  // namespace transept
