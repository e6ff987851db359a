// A sink that keeps everything it is told.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/types/result.h"

namespace transept {

// Thread-safe.
class CollectingSink final : public ResultSink {
 public:
  void OnTokens(int hypothesis, absl::Span<const GeneratedToken> tokens) override {
    const std::lock_guard lock(mu_);
    streamed_.resize(std::max<size_t>(streamed_.size(), hypothesis + 1));
    for (const GeneratedToken& token : tokens) streamed_[hypothesis].push_back(token.token);
    changed_.notify_all();
  }
  void OnFinish(absl::StatusOr<Result> result) override {
    const std::lock_guard lock(mu_);
    result_.emplace(std::move(result));
    changed_.notify_all();
  }

  // Waits for the end.
  absl::StatusOr<Result> Wait() {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [this] { return result_.has_value(); });
    return *result_;
  }
  // Waits until some token has come, or the end.
  void WaitForToken() {
    std::unique_lock lock(mu_);
    changed_.wait(lock, [this] { return !streamed_.empty() || result_.has_value(); });
  }
  bool finished() const {
    const std::lock_guard lock(mu_);
    return result_.has_value();
  }
  // What OnTokens brought, by hypothesis.
  std::vector<std::vector<TokenId>> streamed() const {
    const std::lock_guard lock(mu_);
    return streamed_;
  }

 private:
  mutable std::mutex mu_;
  std::condition_variable changed_;
  std::vector<std::vector<TokenId>> streamed_;
  std::optional<absl::StatusOr<Result>> result_;
};

inline std::vector<TokenId> TokensOf(const Hypothesis& hypothesis) {
  std::vector<TokenId> tokens;
  for (const GeneratedToken& token : hypothesis.tokens) tokens.push_back(token.token);
  return tokens;
}

}  // namespace transept
