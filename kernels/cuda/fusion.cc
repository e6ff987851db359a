#include "kernels/cuda/fusion.h"

#include "kernels/cuda/skinny.h"

namespace transept::kernels::cuda {
namespace {

// Whether `operation` can write the first half of a norm of `stream`.
bool CanLeave(const Operation& operation, const Activations& stream) {
  if (const auto* embed = std::get_if<EmbedOp>(&operation)) {
    return embed->out.data == stream.data && embed->table.dtype == DataType::kBFloat16;
  }
  const auto* linear = std::get_if<LinearOp>(&operation);
  return linear && linear->out.data == stream.data && SkinnySupports(SkinnyOf(*linear, 1)) &&
         linear->weight.rows <= 8 * kMaxParts;
}

// Whether `operation` can do the second half of a norm that leaves `normed`.
bool CanFinish(const Operation& operation, const Activations& normed) {
  if (const auto* linear = std::get_if<LinearOp>(&operation)) {
    return linear->in.data == normed.data && SkinnySupports(SkinnyOf(*linear, 1));
  }
  const auto* gated = std::get_if<GatedLinearOp>(&operation);
  return gated && gated->in.data == normed.data && SkinnySupports(SkinnyOf(*gated, 1));
}

}  // namespace

std::vector<PlannedOperation> PlanFusion(const Program& program) {
  std::vector<PlannedOperation> plan(program.operations.size());
  for (size_t i = 0; i < plan.size(); ++i) plan[i].operation = &program.operations[i];
  for (size_t i = 1; i + 1 < plan.size(); ++i) {
    const auto* norm = std::get_if<NormOp>(plan[i].operation);
    if (norm == nullptr || norm->kind != NormKind::kRms || norm->out.dtype != DataType::kBFloat16 ||
        norm->in.extent != Extent::kTokens || norm->stream.data != nullptr ||
        plan[i - 1].norms.before != nullptr ||  // there is room for the sums of one norm
        !CanLeave(*plan[i - 1].operation, norm->in) ||
        !CanFinish(*plan[i + 1].operation, norm->out)) {
      continue;
    }
    plan[i].absorbed = true;
    plan[i - 1].norms.after = norm;
    plan[i + 1].norms.before = norm;
  }
  return plan;
}

}  // namespace transept::kernels::cuda
