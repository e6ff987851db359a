#include "kernels/cuda/fusion.h"

#include <algorithm>
#include <limits>

#include "kernels/cuda/skinny.h"

namespace transept::kernels::cuda {
namespace {

// Whether `operation` can write the first half of `norm`, without reading what that overwrites.
bool CanLeave(const Operation& operation, const NormOp& norm) {
  if (const auto* embed = std::get_if<EmbedOp>(&operation)) {
    return embed->out.data == norm.in.data && embed->table.dtype == DataType::kBFloat16;
  }
  const auto* linear = std::get_if<LinearOp>(&operation);
  return linear && linear->out.data == norm.in.data && linear->in.data != norm.out.data &&
         SkinnySupports(ProductOf(*linear, 1)) && linear->weight.rows <= kMaxSplitWidth;
}

// Whether `operation` can do the second half of a norm that leaves `normed`.
bool CanFinish(const Operation& operation, const Activations& normed) {
  if (const auto* linear = std::get_if<LinearOp>(&operation)) {
    return linear->in.data == normed.data && SkinnySupports(ProductOf(*linear, 1));
  }
  const auto* gated = std::get_if<GatedLinearOp>(&operation);
  return gated && gated->in.data == normed.data && SkinnySupports(ProductOf(*gated, 1));
}

bool IsAttention(const Operation& operation) {
  return std::holds_alternative<SelfAttentionOp>(operation) ||
         std::holds_alternative<CrossAttentionOp>(operation);
}

// The linear layer from `first` on that adds to the stream which `norm` replaces, if products of
// few rows serve it and nobody up to it reads the stream, or the norm's results once more; else the
// plan's size.
size_t FindAdder(const std::vector<PlannedOperation>& plan, size_t first, const NormOp& norm) {
  const auto reads = [&norm](const Activations& in) {
    return in.data == norm.stream.data || in.data == norm.out.data;
  };
  for (size_t i = first; i < plan.size(); ++i) {
    const auto* linear = std::get_if<LinearOp>(plan[i].operation);
    const auto* gated = std::get_if<GatedLinearOp>(plan[i].operation);
    const bool passes = IsAttention(*plan[i].operation) || (linear && !reads(linear->in)) ||
                        (gated && !reads(gated->in));
    if (!passes) break;
    if (linear && linear->residual.data == norm.stream.data) {
      return SkinnySupports(ProductOf(*linear, 1)) ? i : plan.size();
    }
  }
  return plan.size();
}

// Whether a norm is of a kind that can be split at all.
bool CanSplit(const NormOp& norm) {
  return norm.kind != NormKind::kNone && norm.out.dtype == DataType::kBFloat16 &&
         norm.in.extent == Extent::kTokens &&
         (norm.stream.data == nullptr || norm.stream.data == norm.in.data);
}

// Up to how many rows the operation does its half of a norm at no loss.
int64_t FewRowsOf(const Operation& operation, int multiprocessors) {
  if (const auto* linear = std::get_if<LinearOp>(&operation)) {
    return FewRowsOf(ProductOf(*linear, 1), multiprocessors);
  }
  if (const auto* gated = std::get_if<GatedLinearOp>(&operation)) {
    return FewRowsOf(ProductOf(*gated, 1), multiprocessors);
  }
  return kMaxSkinnyRows;
}

// Norms that alone read what is gathered read it where it lies, unless they write there.
void SkipGathers(std::vector<PlannedOperation>* plan) {
  for (size_t i = 0; i + 1 < plan->size(); ++i) {
    const auto* gather = std::get_if<GatherRowsOp>((*plan)[i].operation);
    const auto* norm = std::get_if<NormOp>((*plan)[i + 1].operation);
    if (!gather || !norm || norm->in.data != gather->out.data || norm->stream.data ||
        norm->out.data == gather->in.data) {
      continue;
    }
    (*plan)[i].absorbed_rows = std::numeric_limits<int64_t>::max();
    (*plan)[i + 1].gather = gather;
  }
}

}  // namespace

std::vector<PlannedOperation> PlanFusion(const Program& program, int multiprocessors) {
  std::vector<PlannedOperation> plan(program.operations.size());
  for (size_t i = 0; i < plan.size(); ++i) plan[i].operation = &program.operations[i];
  int8_t slot = 0;
  for (size_t i = 1; i + 1 < plan.size(); ++i) {
    const auto* norm = std::get_if<NormOp>(plan[i].operation);
    if (norm == nullptr || !CanSplit(*norm) || !CanLeave(*plan[i - 1].operation, *norm) ||
        !CanFinish(*plan[i + 1].operation, norm->out)) {
      continue;
    }
    const auto rows_of = [&](size_t at) { return FewRowsOf(*plan[at].operation, multiprocessors); };
    NeighbourNorm neighbour{norm, std::min(rows_of(i - 1), rows_of(i + 1)), slot};
    if (norm->stream.data != nullptr) {
      const size_t adder = FindAdder(plan, i + 2, *norm);
      if (adder == plan.size()) continue;
      neighbour.few_rows = std::min(neighbour.few_rows, rows_of(adder));
      plan[adder].norms.residual = neighbour;
    }
    plan[i].absorbed_rows = neighbour.few_rows;
    plan[i - 1].norms.after = neighbour;
    plan[i + 1].norms.before = neighbour;
    slot = 1 - slot;
  }
  SkipGathers(&plan);
  return plan;
}

}  // namespace transept::kernels::cuda
