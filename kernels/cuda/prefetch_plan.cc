#include "kernels/cuda/prefetch_plan.h"

#include <algorithm>
#include <vector>

#include "kernels/cuda/skinny.h"

namespace transept::kernels::cuda {
namespace {

// Of one layer. On an H200, whose cache has 50 MB, fetching layers of 30 MB ahead paid, and of 113
// it did not.
constexpr int64_t kMostLayerBytes = int64_t{32} << 20;

// A product of a layer that the kernel of few rows serves.
struct Product {
  const Operation* operation = nullptr;
  const Operation* behind = nullptr;
  WeightList::Range weight = {};
  int64_t few_rows = 0;

  bool IsFollowedBySelfAttention() const {
    return behind && std::holds_alternative<SelfAttentionOp>(*behind);
  }
  bool IsFollowedByCrossAttention() const {
    return behind && std::holds_alternative<CrossAttentionOp>(*behind);
  }
};

std::vector<Product> ProductsOf(const Program& program, int multiprocessors) {
  std::vector<Product> products;
  const std::vector<Operation>& operations = program.operations;
  for (size_t i = 0; i < operations.size(); ++i) {
    FusedProduct fused;
    if (const auto* linear = std::get_if<LinearOp>(&operations[i])) {
      fused = ProductOf(*linear, 1);
    } else if (const auto* gated = std::get_if<GatedLinearOp>(&operations[i])) {
      fused = ProductOf(*gated, 1);
    } else {
      continue;
    }
    // What is behind the layers has a row's last token alone.
    if (!SkinnySupports(fused) || fused.in.extent != Extent::kTokens) continue;
    const Matrix& weight = fused.weight;
    const auto bytes = static_cast<int64_t>(weight.rows * weight.cols * SizeOf(weight.dtype));
    products.push_back({.operation = &operations[i],
                        .behind = i + 1 < operations.size() ? &operations[i + 1] : nullptr,
                        .weight = {static_cast<const char*>(weight.data), bytes},
                        .few_rows = FewRowsOf(fused, multiprocessors)});
  }
  return products;
}

// The product in front of the next self-attention from `first` on, or the end.
size_t NextLayer(const std::vector<Product>& products, size_t first) {
  while (first < products.size() && !products[first].IsFollowedBySelfAttention()) ++first;
  return first;
}

}  // namespace

PrefetchPlan PlanPrefetch(const Program& program, int multiprocessors) {
  const std::vector<Product> products = ProductsOf(program, multiprocessors);
  PrefetchPlan plan;
  plan.few_rows = kMaxSkinnyRows;
  const size_t first = NextLayer(products, 0);
  for (size_t layer = first; layer < products.size();) {
    const size_t next = NextLayer(products, layer + 1);
    int64_t bytes = 0;
    for (size_t i = layer; i < next; ++i) {
      bytes += products[i].weight.bytes;
      plan.few_rows = std::min(plan.few_rows, products[i].few_rows);
    }
    if (bytes > kMostLayerBytes) return {};
    layer = next;
  }
  // The `from`-th to the `to`-th product behind.
  const auto fetch = [&](size_t at, size_t from, size_t to) {
    WeightList list;
    for (size_t i = at + from; i <= at + to && i < products.size(); ++i) {
      list.ranges[list.count++] = products[i].weight;
    }
    if (list.count > 0) plan.behind.emplace(products[at].operation, list);
  };
  for (size_t i = first; i < products.size(); ++i) {
    if (products[i].IsFollowedBySelfAttention()) fetch(i, 1, 4);
    if (products[i].IsFollowedByCrossAttention()) fetch(i, 3, 4);
  }
  return plan;
}

}  // namespace transept::kernels::cuda
