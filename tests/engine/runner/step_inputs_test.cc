#include "engine/runner/step_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace transept {
namespace {

using ::testing::ElementsAre;

template <typename T>
std::vector<T> Values(const T* data, int64_t count) {
  return {data, data + count};
}

TEST(StepInputs, PacksSourcesWithoutPaddingAndMapsTheirSlots) {
  const std::vector<TokenId> first = {7, 8, 9};
  const std::vector<TokenId> second = {5};
  const std::vector<BlockId> first_blocks = {4, 1};
  const std::vector<BlockId> second_blocks = {0};
  StepPlan plan;
  plan.encode = {{first, first_blocks}, {second, second_blocks}};

  StepInputs inputs(/*block_size=*/2);
  inputs.BuildEncoder(plan);
  const kernels::EncoderInputs view = inputs.encoder();
  EXPECT_EQ(view.num_sources, 2);
  EXPECT_EQ(view.num_tokens, 4);
  EXPECT_THAT(Values(view.token_ids, 4), ElementsAre(7, 8, 9, 5));
  EXPECT_THAT(Values(view.positions, 4), ElementsAre(0, 1, 2, 0));
  EXPECT_THAT(Values(view.offsets, 3), ElementsAre(0, 3, 4));
  EXPECT_THAT(Values(view.cross_slots, 4), ElementsAre(8, 9, 2, 0));
}

TEST(StepInputs, PaddingMayHaveNoPosition) {
  const std::vector<TokenId> plain = {7, 8};
  const std::vector<TokenId> padded = {1, 7, 1, 1, 8, 9};
  const std::vector<BlockId> blocks = {0, 1, 2};
  StepPlan plan;
  plan.encode = {{plain, blocks}};
  StepInputs inputs(/*block_size=*/2, /*padding_without_position=*/1);
  inputs.BuildEncoder(plan);
  EXPECT_EQ(inputs.encoder().embedded_positions, nullptr) << "no others than its positions";

  plan.encode.push_back({padded, blocks});
  inputs.BuildEncoder(plan);
  const kernels::EncoderInputs encoder = inputs.encoder();
  EXPECT_THAT(Values(encoder.positions, 8), ElementsAre(0, 1, 0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Values(encoder.embedded_positions, 8), ElementsAre(0, 1, -1, 0, -1, -1, 1, 2));
  inputs.BuildEncoder({});
  EXPECT_EQ(inputs.encoder().embedded_positions, nullptr);
}

// A prefix, and a target that is scored, are read at once; what is generated comes one by one.
TEST(StepInputs, PaddingOfAPrefixHasNoPosition) {
  const std::vector<TokenId> history = {2, 1, 7, 8, 1, 9};
  const std::vector<BlockId> blocks = {0, 1, 2, 3};
  const DecodeParams params;
  StepPlan plan;
  plan.sources = {{blocks, 1}};
  RowPlan row;
  row.params = &params;
  row.blocks = blocks;
  row.history = history;
  row.tokens = row.history;
  row.prompt_length = 4;
  plan.rows = {row};
  StepInputs inputs(/*block_size=*/2, /*padding_without_position=*/1);
  inputs.BuildDecoder(plan, {0, 1}, {});
  EXPECT_THAT(Values(inputs.decoder().embedded_positions, 6), ElementsAre(0, -1, 1, 2, -1, 5));

  plan.rows[0].first_position = 2;
  plan.rows[0].tokens = row.history.subspan(2);
  inputs.BuildDecoder(plan, {0, 1}, {});
  EXPECT_THAT(Values(inputs.decoder().embedded_positions, 4), ElementsAre(1, 2, -1, 5));

  plan.rows[0] = row;
  plan.rows[0].targets = history;
  inputs.BuildDecoder(plan, {0, 1}, {});
  EXPECT_THAT(Values(inputs.decoder().embedded_positions, 6), ElementsAre(0, -1, 1, 2, -1, 3));

  plan.rows[0] = row;
  plan.rows[0].tokens = {};
  plan.rows[0].first_position = 6;
  inputs.BuildDecoder(plan, {0, 1}, {9});
  EXPECT_EQ(inputs.decoder().embedded_positions, nullptr);
  inputs.BuildDecoder(plan, {0, 1}, {1});
  EXPECT_THAT(Values(inputs.decoder().embedded_positions, 1), ElementsAre(-1));
}

TEST(StepInputs, EncoderInputsFitIntoSoManyTokens) {
  kernels::EncoderInputs inputs;
  inputs.num_tokens = 9;
  EXPECT_TRUE(CheckFits(inputs, 9).ok());
  EXPECT_EQ(CheckFits(inputs, 8),
            absl::InternalError("a step encodes 9 tokens; the buffers hold 8"));
}

class DecoderInputs : public ::testing::Test {
 protected:
  DecoderInputs() {
    plan_.sources = {{cross_a_, 3}, {cross_b_, 1}};
    RowPlan row;
    row.params = &params_;
    row.slot = 1;
    row.source = 0;
    row.tokens = prefix_;
    row.first_position = 0;
    row.blocks = blocks_[0];
    plan_.rows.push_back(row);
    row.slot = 0;
    row.tokens = {};
    row.first_position = 3;
    row.blocks = blocks_[1];
    plan_.rows.push_back(row);
    row.slot = 2;
    row.source = 1;
    row.tokens = absl::MakeConstSpan(prefix_).subspan(2);
    row.first_position = 2;
    row.blocks = blocks_[2];
    plan_.rows.push_back(row);
  }

  const DecodeParams params_;
  const std::vector<BlockId> cross_a_ = {3, 2};
  const std::vector<BlockId> cross_b_ = {6};
  const std::vector<TokenId> prefix_ = {0, 11, 12};
  const std::vector<BlockId> blocks_[3] = {{5, 7}, {8, 9}, {10, 4}};
  const std::vector<TokenId> pending_ = {42, 43, 44};  // by slot
  StepPlan plan_;
  StepInputs inputs_{/*block_size=*/2};
};

TEST_F(DecoderInputs, FeedsPrefixesPendingTokensAndSingleTokens) {
  inputs_.BuildDecoder(plan_, {0, 3}, pending_);
  const kernels::DecoderInputs view = inputs_.decoder();
  EXPECT_EQ(view.num_rows, 3);
  EXPECT_EQ(view.num_tokens, 5);
  EXPECT_THAT(Values(view.token_ids, 5), ElementsAre(0, 11, 12, 42, 12));
  EXPECT_THAT(Values(view.positions, 5), ElementsAre(0, 1, 2, 3, 2));
  EXPECT_THAT(Values(view.query_offsets, 4), ElementsAre(0, 3, 4, 5));
  EXPECT_THAT(Values(view.self_slots, 5), ElementsAre(10, 11, 14, 19, 8));
  EXPECT_EQ(view.block_table_stride, 2);
  EXPECT_THAT(Values(view.block_tables, 6), ElementsAre(5, 7, 8, 9, 10, 4));
  EXPECT_EQ(view.num_sources, 2);
  EXPECT_THAT(Values(view.source_offsets, 3), ElementsAre(0, 2, 3));
  EXPECT_EQ(view.cross_block_table_stride, 2);
  EXPECT_THAT(Values(view.cross_block_tables, 4), ElementsAre(3, 2, 6, 0));
  EXPECT_THAT(Values(view.cross_lengths, 2), ElementsAre(3, 1));
}

TEST_F(DecoderInputs, ARangeOfRowsBringsItsOwnSources) {
  inputs_.BuildDecoder(plan_, {1, 3}, pending_);
  const kernels::DecoderInputs view = inputs_.decoder();
  EXPECT_EQ(view.num_rows, 2);
  EXPECT_THAT(Values(view.token_ids, 2), ElementsAre(42, 12));
  EXPECT_THAT(Values(view.source_offsets, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(Values(view.cross_lengths, 2), ElementsAre(3, 1));

  inputs_.BuildDecoder(plan_, {2, 3}, pending_);
  EXPECT_EQ(inputs_.decoder().num_sources, 1);
  EXPECT_THAT(Values(inputs_.decoder().cross_lengths, 1), ElementsAre(1));
  EXPECT_EQ(inputs_.decoder().cross_block_table_stride, 1);
}

TEST_F(DecoderInputs, ASearchIsInOneRun) {
  DecodeParams beams;
  beams.num_beams = 2;
  plan_.rows[0].params = plan_.rows[1].params = &beams;
  plan_.rows[1].tokens = prefix_;  // 3 + 3 tokens, and 1
  plan_.rows[1].first_position = 0;
  const auto end = [&](size_t rows, size_t tokens) {
    return NextRange(plan_, 0, {.rows = rows, .tokens = tokens}).end;
  };
  EXPECT_EQ(end(3, 7), 3u);
  EXPECT_EQ(end(3, 6), 2u);
  EXPECT_EQ(end(2, 7), 2u);
  EXPECT_EQ(end(3, 5), 0u);
  EXPECT_EQ(end(1, 7), 0u);

  inputs_.BuildDecoder(plan_, {0, 3}, pending_);
  EXPECT_THAT(Values(inputs_.decoder().beam_slots, 3), ElementsAre(1, 0, -1));
  EXPECT_EQ(inputs_.decoder().ancestry, nullptr);
}

// As many tokens as rows, and yet not one each.
TEST_F(DecoderInputs, TheRowsOfASearchHaveTheirPrefixComputedOnce) {
  DecodeParams beams;
  beams.num_beams = 3;
  for (int32_t beam = 0; beam < 3; ++beam) {
    RowPlan& row = plan_.rows[beam];
    row.params = &beams;
    row.hypothesis = beam;
    row.source = 0;
    row.tokens = prefix_;
    row.first_position = 0;
    row.shared_past = true;
  }
  EXPECT_EQ(NextRange(plan_, 0, {.rows = 3, .tokens = 3}).end, 3u);
  EXPECT_EQ(NextRange(plan_, 0, {.rows = 3, .tokens = 2}).end, 0u);

  inputs_.BuildDecoder(plan_, {0, 3}, pending_);
  const kernels::DecoderInputs view = inputs_.decoder();
  EXPECT_EQ(view.num_rows, 3);
  EXPECT_EQ(view.num_tokens, 3);
  EXPECT_TRUE(view.empty_rows);
  EXPECT_THAT(Values(view.token_ids, 3), ElementsAre(0, 11, 12));
  EXPECT_THAT(Values(view.query_offsets, 4), ElementsAre(0, 3, 3, 3));
  EXPECT_THAT(Values(view.self_slots, 3), ElementsAre(10, 11, 14));
  EXPECT_THAT(Values(view.block_tables, 6), ElementsAre(5, 7, 8, 9, 10, 4));
  EXPECT_THAT(Values(view.beam_slots, 3), ElementsAre(1, 0, 2));
  EXPECT_THAT(Values(view.source_offsets, 2), ElementsAre(0, 3));

  for (RowPlan& row : plan_.rows) {
    row.first_position = 3;
    row.tokens = absl::MakeConstSpan(prefix_).first(1);
    row.shared_past = false;
  }
  inputs_.BuildDecoder(plan_, {0, 3}, pending_);
  EXPECT_FALSE(inputs_.decoder().empty_rows);
}

// The plan's three rows filled up to five, on sources of no tokens.
TEST_F(DecoderInputs, FillsUpToAFixedShape) {
  StepInputs inputs(/*block_size=*/2);
  const DecoderPadding padding{.rows = 5, .slot = 90};
  std::vector<RowPlan> rows(plan_.rows.begin() + 1, plan_.rows.end());
  plan_.rows = rows;
  inputs.BuildDecoder(plan_, {0, 2}, {}, padding);
  const kernels::DecoderInputs view = inputs.decoder();
  EXPECT_EQ(view.num_rows, 5);
  EXPECT_EQ(view.num_tokens, 5);
  EXPECT_EQ(view.num_sources, 5);
  EXPECT_EQ(view.block_table_stride, 2);
  EXPECT_THAT(Values(view.block_tables, 10), ElementsAre(8, 9, 10, 4, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(view.cross_block_table_stride, 2);
  EXPECT_THAT(Values(view.cross_block_tables, 10), ElementsAre(3, 2, 6, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(view.token_ids[0], -1 - 0);  // pending, in slot 0
  EXPECT_THAT(Values(view.token_ids + 2, 3), ElementsAre(0, 0, 0));
  EXPECT_THAT(Values(view.self_slots + 2, 3), ElementsAre(90, 90, 90));
  EXPECT_THAT(Values(view.query_offsets, 6), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Values(view.source_offsets, 6), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Values(view.cross_lengths + 2, 3), ElementsAre(0, 0, 0));
}

}  // namespace
}  // namespace transept
