// A tokenizer that tests can do in their heads: one token for each byte, id = byte + 10, EOS = 1.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/text/tokenizer.h"

namespace transept::server {

inline constexpr TokenId kEos = 1;
inline constexpr TokenId kFirstByte = 10;
inline constexpr int32_t kVocabSize = 300;

class FakeTokenizer final : public Tokenizer {
 public:
  // `on_encode` is called first in every Encode and may block.
  explicit FakeTokenizer(std::function<void(std::string_view)> on_encode = nullptr)
      : on_encode_(std::move(on_encode)) {}

  absl::StatusOr<std::vector<TokenId>> Encode(std::string_view text) const override {
    if (on_encode_) on_encode_(text);
    std::vector<TokenId> ids = Ids(text);
    ids.push_back(kEos);
    return ids;
  }

  absl::StatusOr<std::vector<TokenId>> EncodeInside(std::string_view text) const override {
    return Ids(text);
  }

  std::unique_ptr<IncrementalDetokenizer> NewDetokenizer() const override {
    return std::make_unique<Detokenizer>();
  }

  std::string Piece(TokenId id) const override {
    return id == kEos ? "</s>" : std::string(1, static_cast<char>(id - kFirstByte));
  }

  int32_t vocab_size() const override { return kVocabSize; }

  // Without EOS.
  static std::vector<TokenId> Ids(std::string_view text) {
    std::vector<TokenId> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c) + kFirstByte);
    return ids;
  }

 private:
  // Holds back a character that is not complete.
  class Detokenizer final : public IncrementalDetokenizer {
   public:
    std::string Append(absl::Span<const TokenId> ids) override {
      for (const TokenId id : ids) {
        if (id >= kFirstByte) held_ += static_cast<char>(id - kFirstByte);
      }
      size_t start = held_.size();  // of the last character
      while (start > 0 && (static_cast<unsigned char>(held_[--start]) & 0xC0) == 0x80) continue;
      const auto lead = start < held_.size() ? static_cast<unsigned char>(held_[start]) : 0;
      const size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
      const size_t end = start + size <= held_.size() ? start + size : start;
      std::string text = held_.substr(0, end);
      held_.erase(0, end);
      return text;
    }
    std::string Finish() override { return ""; }
    std::unique_ptr<IncrementalDetokenizer> Clone() const override {
      return std::make_unique<Detokenizer>(*this);
    }

   private:
    std::string held_;
  };

  const std::function<void(std::string_view)> on_encode_;
};

}  // namespace transept::server
