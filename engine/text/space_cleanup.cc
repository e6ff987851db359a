#include "engine/text/space_cleanup.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "engine/text/utf8.h"

namespace transept {
namespace {

// Replaces one string everywhere in a growing text, left to right.
struct Rule {
  std::string_view pattern;
  std::string_view replacement;
  size_t matched = 0;  // bytes of `pattern` held back

  // A pattern starts with a space and has no other but perhaps at its end: after a mismatch only
  // the byte at hand can start a match.
  std::string Append(std::string_view text) {
    std::string result;
    for (const char c : text) {
      if (c != pattern[matched]) result += pattern.substr(0, std::exchange(matched, 0));
      if (c != pattern[matched]) {
        result += c;
      } else if (++matched == pattern.size()) {
        result += replacement;
        matched = 0;
      }
    }
    return result;
  }

  std::string Finish() { return std::string(pattern.substr(0, std::exchange(matched, 0))); }
};

class SpaceCleanup final : public IncrementalDetokenizer {
 public:
  explicit SpaceCleanup(std::unique_ptr<IncrementalDetokenizer> source)
      : source_(std::move(source)) {}

  std::string Append(absl::Span<const TokenId> ids) override {
    std::string text = source_->Append(ids);
    for (Rule& rule : rules_) text = rule.Append(text);
    return text;
  }

  std::string Finish() override {
    std::string text = source_->Finish();
    for (Rule& rule : rules_) {
      text = rule.Append(text);
      text += rule.Finish();
    }
    return text;
  }

  std::unique_ptr<IncrementalDetokenizer> Clone() const override {
    auto clone = std::make_unique<SpaceCleanup>(source_->Clone());
    clone->rules_ = rules_;
    return clone;
  }

 private:
  const std::unique_ptr<IncrementalDetokenizer> source_;
  // Each takes the previous one's output.
  std::array<Rule, 10> rules_ = {{{" .", "."},
                                  {" ?", "?"},
                                  {" !", "!"},
                                  {" ,", ","},
                                  {" ' ", "'"},
                                  {" n't", "n't"},
                                  {" 'm", "'m"},
                                  {" 's", "'s"},
                                  {" 've", "'ve"},
                                  {" 're", "'re"}}};
};

// Python's str.isspace has four separators that Unicode's White_Space does not.
bool IsPythonSpace(char32_t c) {
  return IsWhitespace(c) || (c >= 0x1C && c <= 0x1F);
}

class StrippedEnds final : public IncrementalDetokenizer {
 public:
  explicit StrippedEnds(std::unique_ptr<IncrementalDetokenizer> source)
      : source_(std::move(source)) {}

  std::string Append(absl::Span<const TokenId> ids) override { return Strip(source_->Append(ids)); }
  std::string Finish() override { return Strip(source_->Finish()); }

  std::unique_ptr<IncrementalDetokenizer> Clone() const override {
    auto clone = std::make_unique<StrippedEnds>(source_->Clone());
    clone->started_ = started_;
    clone->spaces_ = spaces_;
    return clone;
  }

 private:
  // `text` without the spaces before the first other character; those at its end wait.
  std::string Strip(std::string_view text) {
    std::string result;
    while (!text.empty()) {
      const Utf8Char c = DecodeUtf8Char(text);
      if (!IsPythonSpace(c.code_point)) {
        result += std::exchange(spaces_, "");
        result += text.substr(0, c.length);
        started_ = true;
      } else if (started_) {
        spaces_ += text.substr(0, c.length);
      }
      text.remove_prefix(c.length);
    }
    return result;
  }

  const std::unique_ptr<IncrementalDetokenizer> source_;
  bool started_ = false;  // a character that is no space has come
  std::string spaces_;    // at the end of the text so far
};

}  // namespace

std::unique_ptr<IncrementalDetokenizer> WithSpaceCleanup(
    std::unique_ptr<IncrementalDetokenizer> source) {
  return std::make_unique<SpaceCleanup>(std::move(source));
}

std::unique_ptr<IncrementalDetokenizer> WithStrippedEnds(
    std::unique_ptr<IncrementalDetokenizer> source) {
  return std::make_unique<StrippedEnds>(std::move(source));
}

}  // namespace transept
