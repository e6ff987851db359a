// Which weights are fetched behind which product: a decision of the host, so it needs no GPU.
#include "kernels/cuda/prefetch_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "kernels/cuda/skinny.h"

namespace transept::kernels::cuda {
namespace {

constexpr int kMultiprocessors = 132;
constexpr int kLayers = 2;
constexpr int kProducts = 6;  // of a layer

// Decoder layers and the product with a vocabulary. Nothing of it runs: a weight is known by its
// place.
class PrefetchPlanTest : public testing::Test {
 protected:
  PrefetchPlanTest() { Build(DataType::kBFloat16, 64, 30000); }

  void Build(DataType dtype, int64_t width, int64_t vocabulary) {
    dtype_ = dtype;
    program_ = {};
    products_.clear();
    for (int i = 0; i < kLayers; ++i) {
      AddProduct(3 * width, width);
      program_.operations.emplace_back(SelfAttentionOp{});
      AddProduct(width, width);
      program_.operations.emplace_back(NormOp{});
      AddProduct(width, width);
      program_.operations.emplace_back(CrossAttentionOp{});
      AddProduct(width, width);
      program_.operations.emplace_back(NormOp{});
      AddProduct(4 * width, width);
      AddProduct(width, 4 * width);
    }
    AddProduct(vocabulary, width);
    std::get<LinearOp>(program_.operations.back()).in.extent = Extent::kRows;
  }

  PrefetchPlan Plan() const { return PlanPrefetch(program_, kMultiprocessors); }

  const LinearOp& Product(size_t index) const {
    return std::get<LinearOp>(program_.operations[products_[index]]);
  }

  // What is fetched behind a product, as numbers of products.
  std::vector<size_t> FetchedBehind(size_t index) const {
    const PrefetchPlan plan = Plan();
    const auto list = plan.behind.find(&program_.operations[products_[index]]);
    std::vector<size_t> fetched;
    if (list == plan.behind.end()) return fetched;
    for (int i = 0; i < list->second.count; ++i) {
      const WeightList::Range& range = list->second.ranges[i];
      fetched.push_back(range.data - places_);
      const Matrix& weight = Product(fetched.back()).weight;
      EXPECT_EQ(range.bytes, weight.rows * weight.cols * 2);
    }
    return fetched;
  }

  Program program_;
  std::vector<size_t> products_;  // operations

 private:
  void AddProduct(int64_t rows, int64_t cols) {
    LinearOp op;
    op.weight = {places_ + products_.size(), dtype_, rows, cols};
    op.in.dtype = dtype_;
    products_.push_back(program_.operations.size());
    program_.operations.emplace_back(op);
  }

  char places_[kLayers * kProducts + 1] = {};
  DataType dtype_ = DataType::kBFloat16;
};

using Indices = std::vector<size_t>;

// Taken together, each product behind the first is fetched once.
TEST_F(PrefetchPlanTest, FetchesInOrderBehindWhatAttentionReads) {
  EXPECT_EQ(FetchedBehind(0), (Indices{1, 2, 3, 4}));
  EXPECT_EQ(FetchedBehind(2), (Indices{5, 6}));
  EXPECT_EQ(FetchedBehind(6), (Indices{7, 8, 9, 10}));
  EXPECT_EQ(FetchedBehind(8), (Indices{11}));
  for (const size_t other : {1, 3, 4, 5, 7, 9, 10, 11, 12}) {
    EXPECT_EQ(FetchedBehind(other), Indices{}) << other;
  }
}

// The product behind the layers neither is fetched nor counts, of however many tokens it is.
TEST_F(PrefetchPlanTest, VocabulariesAreNoPartOfALayer) {
  for (const int64_t vocabulary : {500, 16000, 24000, 60000}) {
    Build(DataType::kBFloat16, 1024, vocabulary);
    EXPECT_EQ(FetchedBehind(8), (Indices{11})) << vocabulary;
    EXPECT_EQ(Plan().few_rows, 64) << vocabulary;
  }
}

// A gate's and an up projection's rows are one weight.
TEST_F(PrefetchPlanTest, FetchesGatedLayers) {
  const LinearOp up = Product(4);
  GatedLinearOp gated;
  gated.weight = up.weight;
  gated.in = up.in;
  program_.operations[products_[4]] = gated;
  const PrefetchPlan plan = Plan();
  const WeightList& list = plan.behind.at(&program_.operations[products_[0]]);
  ASSERT_EQ(list.count, 4);
  EXPECT_EQ(list.ranges[3].data, up.weight.data);
  EXPECT_EQ(list.ranges[3].bytes, up.weight.rows * up.weight.cols * 2);
}

TEST_F(PrefetchPlanTest, ServesRowsThatAreFewForAllProductsOfALayer) {
  Build(DataType::kBFloat16, 1024, 500);
  int64_t fewest = kMaxSkinnyRows;
  for (int i = 0; i < kLayers * kProducts; ++i) {
    fewest = std::min(fewest, FewRowsOf(ProductOf(Product(i), 1), kMultiprocessors));
  }
  EXPECT_EQ(Plan().few_rows, fewest);
  EXPECT_EQ(fewest, 64);
}

TEST_F(PrefetchPlanTest, FetchesNothingOfLayersThatFillTheCache) {
  Build(DataType::kBFloat16, 1024, 500);
  EXPECT_FALSE(Plan().behind.empty());
  Build(DataType::kBFloat16, 2048, 500);
  EXPECT_TRUE(Plan().behind.empty());
}

TEST_F(PrefetchPlanTest, FetchesNothingForOtherKernels) {
  Build(DataType::kFloat32, 64, 500);
  EXPECT_TRUE(Plan().behind.empty());
}

}  // namespace
}  // namespace transept::kernels::cuda
