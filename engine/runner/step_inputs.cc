#include "engine/runner/step_inputs.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/cache/slot_mapping.h"

namespace transept {

namespace {

// The rows from `begin` on that must be in one run: those of a search, or one.
size_t GroupSize(const StepPlan& plan, size_t begin) {
  const DecodeParams& params = *plan.rows[begin].params;
  return params.beam_search() ? params.num_beams : 1;
}

// Embedded positions, if they are others.
const int32_t* OrNull(const std::vector<int32_t>& embedded, const std::vector<int32_t>& positions) {
  return embedded.empty() || embedded == positions ? nullptr : embedded.data();
}

}  // namespace

std::optional<TokenId> PaddingWithoutPosition(const ModelSpec& spec) {
  return spec.positions.skips_padding ? std::optional(spec.pad_token) : std::nullopt;
}

RowRange NextRange(const StepPlan& plan, size_t begin, const RunLimits& limits) {
  RowRange range{begin, begin};
  size_t tokens = 0;
  while (range.end < plan.rows.size()) {
    const size_t group = GroupSize(plan, range.end);
    for (size_t i = 0; i < group; ++i) tokens += plan.rows[range.end + i].tokens_computed();
    if (range.end + group - begin > limits.rows || tokens > limits.tokens) break;
    range.end += group;
  }
  return range;
}

absl::Status CheckFits(const kernels::EncoderInputs& inputs, int32_t room) {
  if (inputs.num_tokens <= room) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("a step encodes ", inputs.num_tokens, " tokens; the buffers hold ", room));
}

void StepInputs::BuildEncoder(const StepPlan& plan) {
  encoder_tokens_.clear();
  encoder_positions_.clear();
  encoder_embedded_.clear();
  encoder_offsets_.assign(1, 0);
  cross_slots_.clear();
  max_source_tokens_ = 0;
  for (const EncodeItem& item : plan.encode) {
    max_source_tokens_ = std::max(max_source_tokens_, static_cast<int32_t>(item.source.size()));
    for (size_t i = 0; i < item.source.size(); ++i) {
      encoder_tokens_.push_back(item.source[i]);
      encoder_positions_.push_back(static_cast<int32_t>(i));
    }
    EmbedPositions(item.source, 0, item.source.size(), item.source.size(), &encoder_embedded_);
    encoder_offsets_.push_back(static_cast<int32_t>(encoder_tokens_.size()));
  }
  AppendCrossSlots(plan.encode, block_size_, &cross_slots_);
}

void StepInputs::EmbedPositions(absl::Span<const TokenId> text, size_t begin, size_t end,
                                size_t together, std::vector<int32_t>* positions) const {
  if (!padding_) return;
  int32_t counted = 0;
  const size_t first = begin < together ? 0 : begin;
  for (size_t i = first; i < end; ++i) {
    const bool is_padding = text[i] == *padding_;
    const int32_t position = i < together ? counted : static_cast<int32_t>(i);
    if (i >= begin) positions->push_back(is_padding ? -1 : position);
    if (!is_padding) ++counted;
  }
}

void StepInputs::BuildDecoder(const StepPlan& plan, RowRange range,
                              absl::Span<const TokenId> pending, const DecoderPadding& padding) {
  tokens_.clear();
  positions_.clear();
  embedded_.clear();
  self_slots_.clear();
  query_offsets_.assign(1, 0);
  beam_slots_.clear();
  empty_rows_ = false;
  for (size_t r = range.begin; r < range.end; ++r) {
    AddRow(plan.rows[r], pending, padding.rows > 0);
  }
  BuildTables(plan, range);
  Pad(padding);
}

void StepInputs::AddRow(const RowPlan& row, absl::Span<const TokenId> pending, bool for_graph) {
  const TokenId on_device = -1 - row.slot;
  absl::Span<const TokenId> fed = row.tokens;
  if (fed.empty()) {
    fed = pending.empty() ? absl::MakeConstSpan(&on_device, 1) : pending.subspan(row.slot, 1);
  }
  fed = fed.first(row.tokens_computed());
  for (size_t i = 0; i < fed.size(); ++i) {
    tokens_.push_back(fed[i]);
    positions_.push_back(row.first_position + static_cast<int32_t>(i));
  }
  if (padding_ && !for_graph) {
    if (row.tokens.empty()) {
      for (const TokenId token : fed) {
        embedded_.push_back(token == *padding_ ? -1 : row.first_position);
      }
    } else {
      const size_t together = row.targets.empty() ? row.prompt_length : row.history.size();
      EmbedPositions(row.history, row.first_position, row.first_position + fed.size(), together,
                     &embedded_);
    }
  }
  query_offsets_.push_back(static_cast<int32_t>(tokens_.size()));
  empty_rows_ = empty_rows_ || fed.empty();
  beam_slots_.push_back(row.params->beam_search() ? row.slot : -1);
  AppendSlots({.blocks = row.blocks,
               .first = row.first_position,
               .count = static_cast<int32_t>(fed.size())},
              block_size_, &self_slots_);
}

void StepInputs::BuildTables(const StepPlan& plan, RowRange range) {
  block_table_stride_ = 1;
  cross_block_table_stride_ = 1;
  for (size_t r = range.begin; r < range.end; ++r) {
    const RowPlan& row = plan.rows[r];
    const SourceView& source = plan.sources[row.source];
    block_table_stride_ = std::max<int64_t>(block_table_stride_, row.blocks.size());
    cross_block_table_stride_ =
        std::max<int64_t>(cross_block_table_stride_, source.cross_blocks.size());
  }
  block_tables_.assign((range.end - range.begin) * block_table_stride_, 0);
  cross_block_tables_.clear();
  cross_lengths_.clear();
  source_offsets_.clear();
  for (size_t r = range.begin; r < range.end; ++r) {
    const RowPlan& row = plan.rows[r];
    const size_t index = r - range.begin;
    std::copy(row.blocks.begin(), row.blocks.end(),
              block_tables_.begin() + index * block_table_stride_);
    if (r > range.begin && row.source == plan.rows[r - 1].source) continue;
    const SourceView& source = plan.sources[row.source];
    source_offsets_.push_back(static_cast<int32_t>(index));
    cross_lengths_.push_back(source.length);
    cross_block_tables_.insert(cross_block_tables_.end(), source.cross_blocks.begin(),
                               source.cross_blocks.end());
    cross_block_tables_.resize(cross_lengths_.size() * cross_block_table_stride_, 0);
  }
  source_offsets_.push_back(static_cast<int32_t>(range.end - range.begin));
}

void StepInputs::Pad(const DecoderPadding& padding) {
  while (query_offsets_.size() - 1 < padding.rows) {
    tokens_.push_back(0);
    positions_.push_back(0);
    self_slots_.push_back(padding.slot);
    beam_slots_.push_back(-1);
    query_offsets_.push_back(static_cast<int32_t>(tokens_.size()));
  }
  block_tables_.resize((query_offsets_.size() - 1) * block_table_stride_, 0);
  // As many sources as rows: one for each filling row, then sources of no rows.
  while (cross_lengths_.size() < padding.rows) {
    source_offsets_.push_back(
        std::min(source_offsets_.back() + 1, static_cast<int32_t>(padding.rows)));
    cross_lengths_.push_back(0);
  }
  cross_block_tables_.resize(cross_lengths_.size() * cross_block_table_stride_, 0);
}

kernels::EncoderInputs StepInputs::encoder() const {
  return {.num_sources = static_cast<int32_t>(encoder_offsets_.size()) - 1,
          .num_tokens = static_cast<int32_t>(encoder_tokens_.size()),
          .max_source_tokens = max_source_tokens_,
          .token_ids = encoder_tokens_.data(),
          .positions = encoder_positions_.data(),
          .embedded_positions = OrNull(encoder_embedded_, encoder_positions_),
          .offsets = encoder_offsets_.data(),
          .cross_slots = cross_slots_.data()};
}

kernels::DecoderInputs StepInputs::decoder() const {
  return {.num_rows = static_cast<int32_t>(query_offsets_.size()) - 1,
          .num_tokens = static_cast<int32_t>(tokens_.size()),
          .token_ids = tokens_.data(),
          .positions = positions_.data(),
          .embedded_positions = OrNull(embedded_, positions_),
          .query_offsets = query_offsets_.data(),
          .self_slots = self_slots_.data(),
          .block_tables = block_tables_.data(),
          .block_table_stride = block_table_stride_,
          .ancestry = nullptr,
          .beam_slots = beam_slots_.data(),
          .ancestry_stride = 0,
          .empty_rows = empty_rows_,
          .num_sources = static_cast<int32_t>(cross_lengths_.size()),
          .source_offsets = source_offsets_.data(),
          .cross_block_tables = cross_block_tables_.data(),
          .cross_block_table_stride = cross_block_table_stride_,
          .cross_lengths = cross_lengths_.data()};
}

}  // namespace transept
