// Runs steps on the CPU.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/model/model.h"
#include "engine/runner/runner.h"
#include "engine/runner/step_inputs.h"
#include "kernels/cpu/executor.h"
#include "kernels/cpu/thread_pool.h"

namespace transept {

// Launch does the work itself, on the calling thread and the pool. Used by one thread.
class CpuRunner final : public Runner {
 public:
  // `threads` >= 1 take part in every operation. The model must outlive the runner.
  CpuRunner(const Model* model, int threads);

  absl::StatusOr<Ticket> Launch(const StepPlan& plan) override;
  absl::StatusOr<StepResult> Collect(Ticket ticket) override;
  int pipeline_depth() const override { return 0; }

 private:
  absl::Status Encode(const StepPlan& plan);
  absl::Status Decode(const StepPlan& plan, std::vector<GeneratedToken>* chosen);
  // Chooses the token that follows `row` from row `index` of the logits.
  GeneratedToken ChooseRow(const RowPlan& row, size_t index) const;

  const Model& model_;
  kernels::cpu::ThreadPool pool_;
  kernels::cpu::Executor executor_;
  StepInputs inputs_;
  std::vector<TokenId> last_tokens_;  // [max_rows] by slot: what the row chose last
  std::optional<StepResult> result_;  // launched, not collected yet
};

}  // namespace transept
