// Runs steps on a GPU.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "engine/model/model.h"
#include "engine/runner/device_inputs.h"
#include "engine/runner/runner.h"
#include "engine/runner/step_inputs.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/executor.h"
#include "kernels/cuda/graph.h"
#include "kernels/cuda/select.h"

namespace transept {

// The longest sequences that steps will hold.
struct CudaRunnerLimits {
  int32_t max_source_tokens = 0;
  int32_t max_target_tokens = 0;  // decoder start, prefix and generated
};

// Launch puts a step on the device's stream and returns; one more may be launched before the first
// is collected. A step of one token a row is a recorded graph, made at the start for some numbers
// of rows; fewer rows are filled up. Greedy rows choose on the device and feed the next step there;
// the others (ChoosesOnDevice) choose on the host from a copy of their logits, and then the next
// step waits for them. Used by one thread.
class CudaRunner final : public Runner {
 public:
  // Records the graphs, and runs every kind of step once. `device` and `model` must outlive the
  // runner.
  static absl::StatusOr<std::unique_ptr<CudaRunner>> Create(kernels::cuda::Device* device,
                                                            const Model* model,
                                                            const CudaRunnerLimits& limits);
  ~CudaRunner() override;

  absl::StatusOr<Ticket> Launch(const StepPlan& plan) override;
  absl::StatusOr<StepResult> Collect(Ticket ticket) override;
  int pipeline_depth() const override { return 1; }

 private:
  // A row that chooses on the host, with copies of what its choice depends on.
  struct HostRow {
    size_t index;  // in the step
    DecodeParams params;
    std::vector<TokenId> history;
    int32_t prompt_length;
    int32_t hypothesis;
    int32_t slot;
  };
  // A step on its way. Events and pinned memory are kept for the next but one.
  struct InFlight {
    uint64_t id = 0;
    size_t num_rows = 0;
    bool encodes = false;
    std::vector<HostRow> host_rows;
    std::vector<GeneratedToken> host_choices;  // of host_rows, once made
    bool host_rows_done = true;
    kernels::cuda::Choice* choices = nullptr;  // pinned [max_rows]
    cudaEvent_t begin = nullptr;
    cudaEvent_t encoded = nullptr;
    cudaEvent_t end = nullptr;
  };

  CudaRunner(kernels::cuda::Device* device, const Model* model, const CudaRunnerLimits& limits);
  absl::Status RecordGraphs();
  // Runs a step of each kind that is no graph, so that no request waits for, and no step path has,
  // what libraries load on first use.
  absl::Status WarmUp();
  // The decoder program with what surrounds it, for arrays in these places.
  void RunDecoder(const DeviceDecoderInputs& inputs);

  // For the rows that inputs_ was built of.
  absl::Span<const int32_t> BansOf(const StepPlan& plan, RowRange range);
  void Encode(const StepPlan& plan);
  absl::Status Decode(const StepPlan& plan, InFlight* step);
  DecoderPadding PaddingFor(size_t rows) const;
  void NoteHostRows(const StepPlan& plan, RowRange range, InFlight* step);
  // Waits for the step and makes the choices of its host rows; the device learns them.
  void ChooseOnHost(InFlight* step);
  absl::Status status() const;

  kernels::cuda::Device& device_;
  const Model& model_;
  const CudaRunnerLimits limits_;
  kernels::cuda::Executor executor_;
  StepInputs inputs_;
  std::vector<int32_t> bans_;
  DeviceInputs device_inputs_;
  std::map<size_t, kernels::cuda::Graph> graphs_;  // by the number of rows

  kernels::cuda::Choice* choices_ = nullptr;  // device [max_rows]
  int32_t* last_tokens_ = nullptr;            // device [max_rows + 1] by slot; the last for filling
  std::vector<TokenId> host_tokens_;          // [max_rows] by slot: what host rows chose last
  int32_t* slot_tokens_ = nullptr;            // pinned [max_rows]: on their way to last_tokens_
  float* logits_ = nullptr;                   // pinned [max_rows, vocab], rows of host rows

  InFlight steps_[2];
  uint64_t launched_ = 0;
  uint64_t collected_ = 0;
};

}  // namespace transept
