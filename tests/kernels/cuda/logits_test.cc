// Logits from the kernel that chooses among them, with what is chosen from them afterwards. Weights
// and inputs are small whole numbers, so that all sums are exact and many logits are equal. With a
// bias some are no numbers.
#include "kernels/cuda/logits.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "kernels/cuda/graph.h"
#include "tests/kernels/cuda/gpu.h"

namespace transept::kernels::cuda {
namespace {

struct LogitsCase {
  int32_t rows;
  int64_t vocab, depth;
  bool bias;
};
// Around the numbers of rows at which another variant serves; fewer tiles than multiprocessors and
// more; depths that are no multiple of what is copied at once, or less.
constexpr LogitsCase kCases[] = {{1, 24576, 64, false},  {2, 24577, 8, true},
                                 {31, 33001, 72, true},  {32, 25000, 512, false},
                                 {33, 70001, 40, true},  {64, 33024, 128, true},
                                 {65, 24800, 136, true}, {100, 70002, 64, false},
                                 {128, 40000, 64, true}, {128, 24601, 1024, true}};

std::vector<float> WholeNumbers(int64_t count, int most, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<int> number(-most, most);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(number(random));
  return values;
}

class CudaLogitsTest : public GpuTest {
 protected:
  // A step's choice. Every third row takes the most likely token, every third does after two sets
  // are banned, and the others want alternatives, for which logits must be there.
  void Make(const LogitsCase& c) {
    weight_ = WholeNumbers(c.vocab * c.depth, 2, 1);
    in_ = WholeNumbers(c.rows * c.depth, 2, 2);
    bias_ = WholeNumbers(c.bias ? c.vocab : 0, 3, 3);
    for (size_t token = 5; token < bias_.size(); token += 1000) bias_[token] = NAN;
    set_words_ = (c.vocab + 31) / 32;
    sets_.assign(c.rows * kTokenSets * set_words_, 0);
    rows_.clear();
    expected_.clear();
    for (int32_t row = 0; row < c.rows; ++row) {
      RowChoice choice;
      choice.slot = c.rows - 1 - row;
      choice.result = row;
      if (row % 3 == 1) choice.banned_sets = BitOf(TokenSet::kEos) | BitOf(TokenSet::kSuppressed);
      if (row % 3 == 2) choice.top_tokens = 2;
      rows_.push_back(choice);
      expected_.push_back(LogitsOf(c, row));
      if (choice.banned_sets != 0) Ban(choice.slot, &expected_.back());
    }
  }

  // Runs the product, and the choice from what it leaves, as a recorded step several times: nothing
  // of one may be left for the next. The choice's results are in chosen_.
  void Run(const LogitsCase& c) {
    LinearOp op;
    op.weight = {UploadAs(weight_, dtype()), dtype(), c.vocab, c.depth};
    if (c.bias) op.bias = UploadVector(bias_);
    const int64_t in_stride = (c.depth + 15) / 8 * 8;
    std::vector<float> padded(c.rows * in_stride, NAN);
    for (int32_t row = 0; row < c.rows; ++row) {
      std::copy_n(in_.begin() + row * c.depth, c.depth, padded.begin() + row * in_stride);
    }
    op.in = {UploadAs(padded, dtype()), dtype(), c.depth, in_stride, Extent::kRows};
    logits_ = MakeTensor(c.rows, c.vocab, DataType::kFloat32, 4, Extent::kRows);
    op.out = logits_.device;
    ASSERT_TRUE(MakesLogits(op, c.rows, device()));

    TokenChoice choice;
    choice.logits = op.out;
    choice.rows = Upload(rows_);
    choice.num_rows = c.rows;
    choice.slots.history = Upload(std::vector<int32_t>(c.rows * 4));
    choice.slots.history_stride = 4;
    choice.slots.token_sets = Upload(sets_);
    choice.slots.set_words = set_words_;
    choice.chosen = Upload(std::vector<ScoredToken>(c.rows, {-1, 0.0f}));
    choice.top = Upload(std::vector<ScoredToken>(c.rows * kMaxTopTokens));
    DecoderInputs inputs;
    inputs.num_rows = inputs.num_tokens = c.rows;
    const Program program{.operations = {op}};
    Execute(program, inputs, &choice);
    ASSERT_NE(choice.summaries, nullptr);
    Graph graph(&device(), [&] {
      executor().Run(program, inputs, &choice);
      ChooseTokens(choice, device());
    });
    for (int i = 0; i < 2; ++i) graph.Replay();
    Finish();
    device().Check(cudaMemset(choice.chosen, 0xff, c.rows * sizeof(ScoredToken)), "clearing");
    graph.Replay();
    Finish();
    written_ = Read(logits_);
    chosen_.resize(c.rows);
    device().Check(cudaMemcpy(chosen_.data(), choice.chosen, c.rows * sizeof(ScoredToken),
                              cudaMemcpyDeviceToHost),
                   "reading a result");
  }

  // What is written of a row's logits, and chosen from them.
  void ExpectRow(const LogitsCase& c, int32_t row) const {
    const std::vector<float>& expected = expected_[row];
    const auto begin = written_.begin() + row * c.vocab;
    std::vector<float> written(begin, begin + c.vocab);
    for (float& logit : written) logit = OrNone(logit);
    if (rows_[row].top_tokens > 0) {
      EXPECT_EQ(written, expected);
    } else {
      const auto before = logits_.values.begin() + row * c.vocab;
      EXPECT_EQ(written, std::vector<float>(before, before + c.vocab));
    }
    const auto best = std::max_element(expected.begin(), expected.end());
    double sum = 0.0;
    for (const float logit : expected) sum += std::exp(static_cast<double>(logit) - *best);
    EXPECT_EQ(chosen_[row].token, best - expected.begin());
    EXPECT_NEAR(chosen_[row].logprob, -std::log(sum), 1e-4);
  }

  std::vector<RowChoice> rows_;

 private:
  // What is no number is chosen as little as what is banned.
  static float OrNone(float logit) { return std::isnan(logit) ? -INFINITY : logit; }

  std::vector<float> LogitsOf(const LogitsCase& c, int32_t row) const {
    const float* in = in_.data() + row * c.depth;
    std::vector<float> logits(c.vocab);
    for (int64_t token = 0; token < c.vocab; ++token) {
      const float* weight = weight_.data() + token * c.depth;
      int sum = 0;
      for (int64_t i = 0; i < c.depth; ++i) {
        sum += static_cast<int>(in[i]) * static_cast<int>(weight[i]);
      }
      logits[token] = OrNone(static_cast<float>(sum) + (c.bias ? bias_[token] : 0.0f));
    }
    return logits;
  }

  // Bans the best tokens of a row in one set, and others in the other.
  void Ban(int32_t slot, std::vector<float>* logits) {
    const auto ban = [&](TokenSet set, int64_t token) {
      const int64_t words = (slot * kTokenSets + static_cast<int>(set)) * set_words_;
      sets_[words + token / 32] |= 1u << token % 32;
      (*logits)[token] = -INFINITY;
    };
    for (int i = 0; i < 3; ++i) {
      ban(TokenSet::kEos, std::max_element(logits->begin(), logits->end()) - logits->begin());
    }
    ban(TokenSet::kSuppressed, 0);
    ban(TokenSet::kSuppressed, static_cast<int64_t>(logits->size()) - 1);
  }

  std::vector<float> weight_, in_, bias_, written_;
  std::vector<uint32_t> sets_;
  int64_t set_words_ = 0;
  std::vector<std::vector<float>> expected_;  // with what is banned
  Tensor logits_;
  std::vector<ScoredToken> chosen_;
};

TEST_P(CudaLogitsTest, PlainRowsAreSummedUpAndOthersWritten) {
  if (device().architecture() != 90) GTEST_SKIP() << "the kernel is for sm_90a";
  for (const LogitsCase& c : kCases) {
    SCOPED_TRACE(testing::Message() << c.rows << " rows, " << c.vocab << " x " << c.depth);
    Make(c);
    ASSERT_NO_FATAL_FAILURE(Run(c));
    for (int32_t row = 0; row < c.rows; ++row) {
      SCOPED_TRACE(testing::Message() << "row " << row);
      ExpectRow(c, row);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaLogitsTest,
                         testing::Values(DataType::kBFloat16, DataType::kFloat16), NameOf);

}  // namespace
}  // namespace transept::kernels::cuda
