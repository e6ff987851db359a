#include "engine/runner/device_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace transept {
namespace {

using ::testing::ElementsAre;

DecodeParams Greedy() {
  DecodeParams params;
  params.eos_tokens = {1, 2};
  return params;
}

TEST(DeviceChoice, PlainGreedyRowsStayOnTheDevice) {
  EXPECT_TRUE(ChoosesOnDevice(Greedy(), 4));
  DecodeParams params = Greedy();
  params.do_sample = true;
  EXPECT_FALSE(ChoosesOnDevice(params, 4));
  params = Greedy();
  params.repetition_penalty = 1.2f;
  EXPECT_FALSE(ChoosesOnDevice(params, 4));
  params = Greedy();
  params.top_logprobs = 1;
  EXPECT_FALSE(ChoosesOnDevice(params, 4));
  params = Greedy();
  params.forced_eos_token = 2;
  EXPECT_FALSE(ChoosesOnDevice(params, 4));
}

TEST(DeviceChoice, AsManyBansAsFit) {
  DecodeParams params = Greedy();
  params.min_new_tokens = 3;
  params.suppress_tokens = {7};
  params.begin_suppress_tokens = {8};
  EXPECT_TRUE(ChoosesOnDevice(params, 4));
  EXPECT_FALSE(ChoosesOnDevice(params, 3));
}

TEST(DeviceChoice, BansDependOnWhatTheRowHasGenerated) {
  DecodeParams params = Greedy();
  params.min_new_tokens = 2;
  params.suppress_tokens = {7};
  params.begin_suppress_tokens = {8};
  const std::vector<TokenId> history = {0, 5, 6};
  RowPlan row;
  row.params = &params;
  row.prompt_length = 1;
  std::vector<int32_t> bans;

  row.history = absl::MakeConstSpan(history).first(1);
  row.tokens = row.history;
  AppendBans(row, 5, &bans);
  EXPECT_THAT(bans, ElementsAre(7, 8, 1, 2, -1));

  bans.clear();
  row.tokens = {};  // one token is chosen, but still on the device
  AppendBans(row, 5, &bans);
  EXPECT_THAT(bans, ElementsAre(7, 1, 2, -1, -1));

  bans.clear();
  row.history = history;
  row.tokens = absl::MakeConstSpan(history).last(1);
  AppendBans(row, 5, &bans);
  EXPECT_THAT(bans, ElementsAre(7, -1, -1, -1, -1));
}

}  // namespace
}  // namespace transept
