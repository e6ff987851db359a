// A StepPlan as the flat arrays that kernels read.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "engine/types/batch.h"
#include "engine/types/model_spec.h"
#include "kernels/inputs.h"

namespace transept {

// Rows [begin, end) of a plan.
struct RowRange {
  size_t begin = 0;
  size_t end = 0;
};

// What one run of the decoder program has room for.
struct RunLimits {
  size_t rows = 0;
  size_t tokens = 0;
};

// The longest range of plan.rows from `begin` on that fits into one run; empty if one row, or the
// rows of one request in beam search, which choose together, do not.
RowRange NextRange(const StepPlan& plan, size_t begin, const RunLimits& limits);

// INTERNAL unless the encoder's buffers, of `room` tokens, hold all of `inputs`.
absl::Status CheckFits(const kernels::EncoderInputs& inputs, int32_t room);

// What a decoder step is filled up with, so that it has as many rows as another. Filling rows are
// fed token 0 at position 0, write to `slot`, and have a source of no tokens.
struct DecoderPadding {
  size_t rows = 0;  // with those of the plan
  int64_t slot = 0;
};

// The token that has no position, if the model has one (PositionSpec::skips_padding).
std::optional<TokenId> PaddingWithoutPosition(const ModelSpec& spec);

// Host arrays that keep their capacity from step to step. Not thread-safe.
class StepInputs {
 public:
  explicit StepInputs(int32_t block_size,
                      std::optional<TokenId> padding_without_position = std::nullopt)
      : block_size_(block_size), padding_(padding_without_position) {}

  // The encoder's arrays for plan.encode.
  void BuildEncoder(const StepPlan& plan);

  // The decoder's arrays for some of plan.rows, at least as many as `padding` says, with tables as
  // wide as the longest in them. A row without tokens is fed pending[row.slot] or, when `pending`
  // is empty because only the device knows it, -1 - row.slot. With `padding`, which is for a graph,
  // every token has a position: a graph's rows are fed one token each.
  void BuildDecoder(const StepPlan& plan, RowRange range, absl::Span<const TokenId> pending,
                    const DecoderPadding& padding = {});

  // Views of the arrays, valid until the next Build. The ancestry is the runner's to add.
  kernels::EncoderInputs encoder() const;
  kernels::DecoderInputs decoder() const;

 private:
  void AddRow(const RowPlan& row, absl::Span<const TokenId> pending, bool for_graph);
  // Appends those of text[begin, end), of which the first `together` tokens are a text that the
  // model is trained to read at once: padding in it does not count.
  void EmbedPositions(absl::Span<const TokenId> text, size_t begin, size_t end, size_t together,
                      std::vector<int32_t>* positions) const;
  void BuildTables(const StepPlan& plan, RowRange range);
  void Pad(const DecoderPadding& padding);

  const int32_t block_size_;
  const std::optional<TokenId> padding_;

  std::vector<int32_t> encoder_tokens_;     // [encoder tokens]
  std::vector<int32_t> encoder_positions_;  // [encoder tokens]
  std::vector<int32_t> encoder_embedded_;   // [encoder tokens] if there is `padding_`
  std::vector<int32_t> encoder_offsets_;    // [encoded sources + 1]
  std::vector<int64_t> cross_slots_;        // [encoder tokens]
  int32_t max_source_tokens_ = 0;

  std::vector<int32_t> tokens_;         // [query tokens]
  std::vector<int32_t> positions_;      // [query tokens]
  std::vector<int32_t> embedded_;       // [query tokens] if there is `padding_`
  std::vector<int64_t> self_slots_;     // [query tokens]
  std::vector<int32_t> query_offsets_;  // [rows + 1]
  std::vector<int32_t> block_tables_;   // [rows, block_table_stride_]
  int64_t block_table_stride_ = 0;
  std::vector<int32_t> beam_slots_;  // [rows]
  bool empty_rows_ = false;

  std::vector<int32_t> source_offsets_;      // [sources + 1]
  std::vector<int32_t> cross_block_tables_;  // [sources, cross_block_table_stride_]
  std::vector<int32_t> cross_lengths_;       // [sources]
  int64_t cross_block_table_stride_ = 0;
};

}  // namespace transept
