#include "engine/runner/step_inputs.h"

#include <algorithm>

#include "engine/cache/slot_mapping.h"

namespace transept {

void StepInputs::Build(const StepPlan& plan, absl::Span<const TokenId> pending) {
  BuildEncoder(plan);
  BuildRows(plan, pending);
  BuildSources(plan);
}

void StepInputs::BuildEncoder(const StepPlan& plan) {
  encoder_tokens_.clear();
  encoder_positions_.clear();
  encoder_offsets_.assign(1, 0);
  cross_slots_.clear();
  for (const EncodeItem& item : plan.encode) {
    for (size_t i = 0; i < item.source.size(); ++i) {
      encoder_tokens_.push_back(item.source[i]);
      encoder_positions_.push_back(static_cast<int32_t>(i));
    }
    encoder_offsets_.push_back(static_cast<int32_t>(encoder_tokens_.size()));
  }
  AppendCrossSlots(plan.encode, block_size_, &cross_slots_);
}

void StepInputs::BuildRows(const StepPlan& plan, absl::Span<const TokenId> pending) {
  tokens_.clear();
  positions_.clear();
  self_slots_.clear();
  query_offsets_.assign(1, 0);
  block_table_stride_ = 0;
  for (const RowPlan& row : plan.rows) {
    block_table_stride_ = std::max<int64_t>(block_table_stride_, row.blocks.size());
  }
  block_tables_.assign(plan.rows.size() * block_table_stride_, 0);
  for (size_t r = 0; r < plan.rows.size(); ++r) {
    const RowPlan& row = plan.rows[r];
    const absl::Span<const TokenId> fed =
        row.tokens.empty() ? pending.subspan(row.slot, 1) : row.tokens;
    for (size_t i = 0; i < fed.size(); ++i) {
      tokens_.push_back(fed[i]);
      positions_.push_back(row.first_position + static_cast<int32_t>(i));
    }
    query_offsets_.push_back(static_cast<int32_t>(tokens_.size()));
    AppendSlots({.blocks = row.blocks,
                 .first = row.first_position,
                 .count = static_cast<int32_t>(fed.size())},
                block_size_, &self_slots_);
    std::copy(row.blocks.begin(), row.blocks.end(),
              block_tables_.begin() + r * block_table_stride_);
  }
}

void StepInputs::BuildSources(const StepPlan& plan) {
  cross_lengths_.clear();
  cross_block_table_stride_ = 0;
  for (const SourceView& source : plan.sources) {
    cross_lengths_.push_back(source.length);
    cross_block_table_stride_ =
        std::max<int64_t>(cross_block_table_stride_, source.cross_blocks.size());
  }
  cross_block_tables_.assign(plan.sources.size() * cross_block_table_stride_, 0);
  for (size_t s = 0; s < plan.sources.size(); ++s) {
    std::copy(plan.sources[s].cross_blocks.begin(), plan.sources[s].cross_blocks.end(),
              cross_block_tables_.begin() + s * cross_block_table_stride_);
  }
  // Rows of a source are adjacent and in source order, so counting them gives the offsets.
  source_offsets_.assign(plan.sources.size() + 1, 0);
  for (const RowPlan& row : plan.rows) ++source_offsets_[row.source + 1];
  for (size_t s = 0; s < plan.sources.size(); ++s) source_offsets_[s + 1] += source_offsets_[s];
}

kernels::EncoderInputs StepInputs::encoder() const {
  return {.num_sources = static_cast<int32_t>(encoder_offsets_.size()) - 1,
          .num_tokens = static_cast<int32_t>(encoder_tokens_.size()),
          .token_ids = encoder_tokens_.data(),
          .positions = encoder_positions_.data(),
          .offsets = encoder_offsets_.data(),
          .cross_slots = cross_slots_.data()};
}

kernels::DecoderInputs StepInputs::decoder() const {
  return {.num_rows = static_cast<int32_t>(query_offsets_.size()) - 1,
          .num_tokens = static_cast<int32_t>(tokens_.size()),
          .token_ids = tokens_.data(),
          .positions = positions_.data(),
          .query_offsets = query_offsets_.data(),
          .self_slots = self_slots_.data(),
          .block_tables = block_tables_.data(),
          .block_table_stride = block_table_stride_,
          .ancestry = nullptr,
          .ancestry_stride = 0,
          .num_sources = static_cast<int32_t>(cross_lengths_.size()),
          .source_offsets = source_offsets_.data(),
          .cross_block_tables = cross_block_tables_.data(),
          .cross_block_table_stride = cross_block_table_stride_,
          .cross_lengths = cross_lengths_.data()};
}

}  // namespace transept
