// Where rows' choices go and what they inherit, with this test in the place of the device that
// writes them.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/runner/device_rows.h"
#include "tests/support/fake_cuda.h"

namespace transept {
namespace {

using kernels::cuda::kMaxTopTokens;
using kernels::cuda::RowChoice;

constexpr int64_t kRows = 6;

class RowResultsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fake_cuda::Reset();
    std::string error;
    device_ = kernels::cuda::Device::Open(&error);
    ASSERT_NE(device_, nullptr) << error;
    results_ = std::make_unique<RowResults>(device_.get(), kRows);
    results_->AddTo(&places_);
  }

  // What a row chooses alone: `token`, and alternatives behind it.
  void Choose(const RowChoice& row, int32_t token) {
    places_.chosen[row.result] = {token, -0.5f};
    for (int32_t i = 0; i < row.top_tokens; ++i) {
      places_.top[int64_t{row.result} * kMaxTopTokens + i] = {token + i, -0.5f - i};
    }
  }
  // What a request in search chooses, by its first row.
  void Continue(const RowChoice& row, int32_t token) {
    for (int32_t i = 0; i < row.beam_candidates; ++i) {
      places_.continuations[row.first_continuation + i] = {i % 2, token + i, -1.0f - i};
    }
  }
  static std::vector<RowChoice> Search(int32_t beams, int32_t candidates) {
    std::vector<RowChoice> rows(beams);
    for (int32_t i = 0; i < beams; ++i) {
      rows[i].beams = beams;
      rows[i].beam_candidates = candidates;
      rows[i].hypothesis = i;
    }
    return rows;
  }
  StepResult Report(uint64_t step) {
    StepResult result;
    results_->Report(step, &result);
    return result;
  }

  std::unique_ptr<kernels::cuda::Device> device_;
  std::unique_ptr<RowResults> results_;
  kernels::cuda::TokenChoice places_;
};

TEST_F(RowResultsTest, AStepIsReportedWhileTheNextOneIsUnderWay) {
  std::vector<RowChoice> first(kRows), second(2);
  results_->BeginStep(7);
  results_->Place(kRows, absl::MakeSpan(first));
  for (int32_t i = 0; i < kRows; ++i) Choose(first[i], 10 + i);
  results_->BeginStep(8);
  results_->Place(2, absl::MakeSpan(second));
  for (int32_t i = 0; i < 2; ++i) Choose(second[i], 20 + i);

  const StepResult of_first = Report(7);
  ASSERT_EQ(of_first.rows.size(), static_cast<size_t>(kRows));
  for (int32_t i = 0; i < kRows; ++i) EXPECT_EQ(of_first.rows[i].token, 10 + i);
  const StepResult of_second = Report(8);
  ASSERT_EQ(of_second.rows.size(), 2u);
  EXPECT_EQ(of_second.rows[1].token, 21);
  EXPECT_EQ(of_second.rows[1].logprob, -0.5f);
}

TEST_F(RowResultsTest, RowsThatFillUpWriteWhereNobodyReads) {
  std::vector<RowChoice> rows(4);
  results_->BeginStep(0);
  results_->Place(2, absl::MakeSpan(rows));
  for (const RowChoice& row : rows) Choose(row, 5);
  Choose(rows[0], 1);
  Choose(rows[1], 2);
  EXPECT_EQ(rows[2].result, rows[3].result);
  const StepResult result = Report(0);
  ASSERT_EQ(result.rows.size(), 2u);
  EXPECT_EQ(result.rows[0].token, 1);
  EXPECT_EQ(result.rows[1].token, 2);
}

TEST_F(RowResultsTest, AlternativesEndWhereThereAreNoMore) {
  std::vector<RowChoice> rows(2);
  rows[0].top_tokens = 1;
  rows[1].top_tokens = 4;
  results_->BeginStep(0);
  results_->Place(2, absl::MakeSpan(rows));
  Choose(rows[0], 3);
  Choose(rows[1], 8);
  places_.top[int64_t{rows[1].result} * kMaxTopTokens + 2].token = -1;
  const StepResult result = Report(0);
  EXPECT_EQ(result.rows[0].top.size(), 1u);
  ASSERT_EQ(result.rows[1].top.size(), 2u);
  EXPECT_EQ(result.rows[1].top[1].token, 9);
}

TEST_F(RowResultsTest, RowsInSearchReportAlternativesAlone) {
  std::vector<RowChoice> rows = Search(2, 4);
  rows[0].top_tokens = rows[1].top_tokens = 2;
  results_->BeginStep(0);
  results_->Place(2, absl::MakeSpan(rows));
  Continue(rows[0], 100);
  Choose(rows[0], 30);
  Choose(rows[1], 40);
  const StepResult result = Report(0);
  ASSERT_EQ(result.rows.size(), 2u);
  EXPECT_EQ(result.rows[1].token, 0);
  ASSERT_EQ(result.rows[1].top.size(), 2u);
  EXPECT_EQ(result.rows[0].top[1].token, 31);
  EXPECT_EQ(result.rows[1].top[1].token, 41);
}

TEST_F(RowResultsTest, RunsOfAStepFollowEachOther) {
  std::vector<RowChoice> search = Search(2, 4), both = Search(3, 6);
  both.insert(both.begin(), RowChoice{});
  results_->BeginStep(1);
  results_->Place(search.size(), absl::MakeSpan(search));
  results_->Place(both.size(), absl::MakeSpan(both));
  Continue(search[0], 100);
  Choose(both[0], 42);
  Continue(both[1], 200);

  const StepResult result = Report(1);
  ASSERT_EQ(result.rows.size(), static_cast<size_t>(kRows));
  EXPECT_EQ(result.rows[2].token, 42);
  ASSERT_EQ(result.beams.size(), 2u);
  ASSERT_EQ(result.beams[0].size(), 4u);
  EXPECT_EQ(result.beams[0][3].token, 103);
  EXPECT_EQ(result.beams[0][3].hypothesis, 1);
  ASSERT_EQ(result.beams[1].size(), 6u);
  EXPECT_EQ(result.beams[1][0].token, 200);
  EXPECT_EQ(result.beams[1][5].score, -6.0f);
}

TEST_F(RowResultsTest, WhatARowInheritsGoesToItsHistory) {
  constexpr int64_t kStride = 5;
  DeviceRows rows(device_.get(), kRows, kStride);
  const std::vector<TokenId> first = {7, 8, 9}, second = {4, 5};
  rows.BeginStep();
  rows.Send(1, first);
  rows.Send(3, {});
  rows.BeginStep();
  rows.Send(2, second);
  const int32_t* const history = rows.slots().history;
  EXPECT_EQ(std::vector<int32_t>(history + kStride, history + 3 * kStride),
            std::vector<int32_t>({7, 8, 9, 0, 0, 4, 5, 0, 0, 0}));
}

}  // namespace
}  // namespace transept
