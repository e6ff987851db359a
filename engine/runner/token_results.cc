#include "engine/runner/token_results.h"

#include <algorithm>

namespace transept {
namespace {

// Whose state stands for the whole source.
int32_t LastEos(absl::Span<const TokenId> source, absl::Span<const TokenId> eos_tokens) {
  const auto last = static_cast<int32_t>(source.size()) - 1;
  for (int32_t i = last; i >= 0; --i) {
    if (std::find(eos_tokens.begin(), eos_tokens.end(), source[i]) != eos_tokens.end()) return i;
  }
  return last;
}

}  // namespace

StateRows StateRowsOf(const StepPlan& plan, absl::Span<const TokenId> eos_tokens) {
  StateRows rows;
  int32_t begin = 0;
  for (const EncodeItem& item : plan.encode) {
    const int32_t end = begin + static_cast<int32_t>(item.source.size());
    const size_t before = rows.ranges.size();
    const auto add_one = [&](int32_t token) { rows.ranges.push_back({token, token + 1}); };
    if (item.pooling == Pooling::kMean) rows.ranges.push_back({begin, end});
    if (item.pooling == Pooling::kFirst) add_one(begin);
    if (item.pooling == Pooling::kLast) add_one(begin + LastEos(item.source, eos_tokens));
    if (item.pooling == Pooling::kAll) {
      for (int32_t token = begin; token < end; ++token) add_one(token);
    }
    if (item.pooling) rows.counts.push_back(rows.ranges.size() - before);
    begin = end;
  }
  return rows;
}

ScoredTokens ScoredTokensOf(const StepPlan& plan, RowRange range) {
  ScoredTokens scored;
  scored.offsets.push_back(0);
  int32_t begin = 0;
  for (size_t r = range.begin; r < range.end; ++r) {
    const RowPlan& row = plan.rows[r];
    const int32_t end = begin + row.tokens_computed();
    if (!row.targets.empty()) {
      for (int32_t token = begin; token < end; ++token) scored.offsets.push_back(token + 1);
      scored.targets.insert(scored.targets.end(), row.targets.begin(), row.targets.end());
      scored.counts.push_back(row.targets.size());
    }
    begin = end;
  }
  return scored;
}

std::vector<std::vector<float>> Share(absl::Span<const float> values, size_t width,
                                      absl::Span<const size_t> counts) {
  std::vector<std::vector<float>> shares;
  shares.reserve(counts.size());
  for (const size_t count : counts) {
    const absl::Span<const float> mine = values.first(count * width);
    shares.emplace_back(mine.begin(), mine.end());
    values.remove_prefix(mine.size());
  }
  return shares;
}

}  // namespace transept
