#include "engine/text/normalizer.h"

#include <optional>
#include <utility>

#include "engine/text/utf8.h"

namespace transept {
namespace {

bool ConsumePrefix(std::string_view* text, std::string_view prefix) {
  if (text->substr(0, prefix.size()) != prefix) return false;
  text->remove_prefix(prefix.size());
  return true;
}

class SentencePieceNormalizer final : public Normalizer {
 public:
  explicit SentencePieceNormalizer(SentencePieceNormalizerOptions options)
      : options_(std::move(options)) {}

  std::string Normalize(std::string_view text) const override {
    const bool trim = options_.remove_extra_whitespaces;
    if (trim) {
      while (!text.empty() && Next(text).replacement == " ") {
        text.remove_prefix(Next(text).length);
      }
    }
    std::string result;
    if (text.empty()) return result;
    result.reserve(text.size() + text.size() / 4 + kSpaceMark.size());
    if (options_.add_dummy_prefix) result += kSpaceMark;
    bool after_space = trim;
    while (!text.empty()) {
      auto [length, replacement] = Next(text);
      text.remove_prefix(length);
      if (trim && after_space) {
        while (ConsumePrefix(&replacement, " ")) {
        }
      }
      if (replacement.empty()) continue;
      for (const char c : replacement) {
        if (c == ' ') {
          result += kSpaceMark;
        } else {
          result += c;
        }
      }
      after_space = replacement.back() == ' ';
    }
    if (trim) {
      while (result.ends_with(kSpaceMark)) result.resize(result.size() - kSpaceMark.size());
    }
    return result;
  }

 private:
  // The rule at the start of `text`; without one, a character stands for itself.
  Charsmap::Match Next(std::string_view text) const {
    size_t kept = 0;
    options_.kept.ForEachPrefix(text, [&](size_t length, int32_t) { kept = length; });
    if (kept > 0) return {kept, text.substr(0, kept)};
    if (const auto match = options_.charsmap.Longest(text)) return *match;
    const size_t length = DecodeUtf8Char(text).length;
    return {length, text.substr(0, length)};
  }

  const SentencePieceNormalizerOptions options_;
};

class PrecompiledNormalizer final : public Normalizer {
 public:
  PrecompiledNormalizer(Charsmap charsmap, GraphemeRules graphemes)
      : charsmap_(std::move(charsmap)), graphemes_(std::move(graphemes)) {}

  std::string Normalize(std::string_view text) const override {
    std::string result;
    result.reserve(text.size() + text.size() / 4);
    graphemes_.ForEachCluster(text,
                              [&](std::string_view cluster) { AppendCluster(cluster, &result); });
    return result;
  }

 private:
  void AppendCluster(std::string_view cluster, std::string* result) const {
    constexpr size_t kLongCluster = 6;
    if (cluster.size() < kLongCluster) {
      if (const auto match = charsmap_.Shortest(cluster)) {
        *result += match->replacement;
        return;
      }
    }
    while (!cluster.empty()) {
      const std::string_view c = cluster.substr(0, DecodeUtf8Char(cluster).length);
      const auto match = charsmap_.Shortest(c);
      *result += match ? match->replacement : c;
      cluster.remove_prefix(c.size());
    }
  }

  const Charsmap charsmap_;
  const GraphemeRules graphemes_;
};

class ReplaceNormalizer final : public Normalizer {
 public:
  ReplaceNormalizer(std::string pattern, std::string replacement)
      : pattern_(std::move(pattern)), replacement_(std::move(replacement)) {}

  std::string Normalize(std::string_view text) const override {
    std::string result;
    size_t start = 0;
    for (size_t at; (at = text.find(pattern_, start)) != std::string_view::npos;
         start = at + pattern_.size()) {
      result.append(text.substr(start, at - start));
      result.append(replacement_);
    }
    result.append(text.substr(start));
    return result;
  }

 private:
  const std::string pattern_;
  const std::string replacement_;
};

class SpaceRunNormalizer final : public Normalizer {
 public:
  explicit SpaceRunNormalizer(std::string replacement) : replacement_(std::move(replacement)) {}

  std::string Normalize(std::string_view text) const override {
    std::string result;
    for (size_t i = 0; i < text.size();) {
      size_t end = i;
      while (end < text.size() && text[end] == ' ') ++end;
      if (end - i >= 2) {
        result += replacement_;
        i = end;
      } else {
        result += text[i++];
      }
    }
    return result;
  }

 private:
  const std::string replacement_;
};

class StripNormalizer final : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}

  std::string Normalize(std::string_view text) const override {
    if (left_) text = StripLeft(text);
    if (right_) text = StripRight(text);
    return std::string(text);
  }

 private:
  const bool left_;
  const bool right_;
};

class SequenceNormalizer final : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<std::unique_ptr<Normalizer>> steps)
      : steps_(std::move(steps)) {}

  std::string Normalize(std::string_view text) const override {
    std::string result(text);
    for (const auto& step : steps_) result = step->Normalize(result);
    return result;
  }

 private:
  const std::vector<std::unique_ptr<Normalizer>> steps_;
};

}  // namespace

std::unique_ptr<Normalizer> MakeSentencePieceNormalizer(SentencePieceNormalizerOptions options) {
  return std::make_unique<SentencePieceNormalizer>(std::move(options));
}

std::unique_ptr<Normalizer> MakePrecompiledNormalizer(Charsmap charsmap, GraphemeRules graphemes) {
  return std::make_unique<PrecompiledNormalizer>(std::move(charsmap), std::move(graphemes));
}

std::unique_ptr<Normalizer> MakeReplaceNormalizer(std::string pattern, std::string replacement) {
  return std::make_unique<ReplaceNormalizer>(std::move(pattern), std::move(replacement));
}

std::unique_ptr<Normalizer> MakeSpaceRunNormalizer(std::string replacement) {
  return std::make_unique<SpaceRunNormalizer>(std::move(replacement));
}

std::unique_ptr<Normalizer> MakeStripNormalizer(bool left, bool right) {
  return std::make_unique<StripNormalizer>(left, right);
}

std::unique_ptr<Normalizer> MakeSequenceNormalizer(std::vector<std::unique_ptr<Normalizer>> steps) {
  return std::make_unique<SequenceNormalizer>(std::move(steps));
}

}  // namespace transept
