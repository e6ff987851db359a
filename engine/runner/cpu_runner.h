// Runs steps on the CPU.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/decode/beam_choice.h"
#include "engine/model/model.h"
#include "engine/runner/beam_ancestry.h"
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
  bool encodes_beside_rows() const override { return false; }

 private:
  absl::Status Encode(const StepPlan& plan, StepResult* result);
  // The encoder's states that plan.encode asks for.
  void Pool(const StepPlan& plan, StepResult* result);
  absl::Status Decode(const StepPlan& plan, StepResult* result);
  void RunDecoder(const StepPlan& plan, RowRange range);
  // A search whose rows' pasts do not fit into one run together: feeds each row alone all of its
  // tokens but the last. Returns what remains of the plan.
  StepPlan FeedLongBeams(StepPlan plan);
  // Row `index` of the logits.
  absl::Span<float> Logits(size_t index) const;
  // Chooses the token that follows `row` from its logits.
  GeneratedToken ChooseRow(const RowPlan& row, const SourceView& source,
                           absl::Span<float> logits) const;
  // The continuations of `row`, a beam, and the alternatives that it reports.
  std::vector<RankedCandidate> ContinueRow(const RowPlan& row, const SourceView& source,
                                           absl::Span<float> logits,
                                           std::vector<TokenLogprob>* top) const;
  // Chooses among the continuations of the searches that are in `rows`, the rows of a run.
  void ChooseBeams(absl::Span<const RowPlan> rows, StepResult* result);
  // Scores the targets of the rows that were just run. Overwrites the logits.
  void Score(const StepPlan& plan, RowRange range, StepResult* result);

  const Model& model_;
  kernels::cpu::ThreadPool pool_;
  kernels::cpu::Executor executor_;
  StepInputs inputs_;
  std::vector<TokenId> last_tokens_;  // [max_rows] by slot: what the row chose last
  BeamAncestry ancestry_;
  std::vector<std::vector<RankedCandidate>> continuations_;  // of each row of a run, if a beam
  std::optional<StepResult> result_;                         // launched, not collected yet
};

}  // namespace transept
