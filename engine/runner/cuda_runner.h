// Runs steps on a GPU.
#pragma once

#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "engine/model/model.h"
#include "engine/runner/cuda_encoder.h"
#include "engine/runner/device_inputs.h"
#include "engine/runner/device_results.h"
#include "engine/runner/device_rows.h"
#include "engine/runner/row_rules.h"
#include "engine/runner/runner.h"
#include "engine/runner/step_inputs.h"
#include "engine/runner/token_sets.h"
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

// Launch puts a step on the device's stream, and its sources on another, where they take the time
// they take, and returns; one more may be launched before the first is collected. A step of one
// token a row is a recorded graph, made at the start for some numbers of rows, with and without
// beam search; fewer rows are filled up. Rows choose on the device, whatever their options, and
// feed the next step there. Used by one thread.
class CudaRunner final : public Runner {
 public:
  // Records the graphs, and runs every kind of step once, with prefixes of some length. `device`
  // and `model` must outlive the runner.
  static absl::StatusOr<std::unique_ptr<CudaRunner>> Create(kernels::cuda::Device* device,
                                                            const Model* model,
                                                            const CudaRunnerLimits& limits);
  ~CudaRunner() override;

  absl::StatusOr<Ticket> Launch(const StepPlan& plan) override;
  absl::StatusOr<StepResult> Collect(Ticket ticket) override;
  int pipeline_depth() const override { return 1; }
  bool encodes_beside_rows() const override { return true; }

 private:
  // A step on its way, or ended.
  struct InFlight {
    uint64_t id = 0;
    // `begin`, or the `end` of the step that still ran at its launch.
    cudaEvent_t started = nullptr;
    cudaEvent_t begin = nullptr;
    cudaEvent_t end = nullptr;
  };

  CudaRunner(kernels::cuda::Device* device, const Model* model, const CudaRunnerLimits& limits);
  absl::Status RecordGraphs();
  // Runs a step of each kind that is no graph, so that no request waits for, and no step path has,
  // what libraries load on first use.
  absl::Status WarmUp();
  void RecordGraph(size_t rows, bool beams);
  // Of a step without beams, recorded as `graph`: takes what else there is for so many rows if that
  // is faster. Of one row its operations one by one, of some tens of rows weights fetched ahead.
  void TakeFaster(size_t rows, const DeviceDecoderInputs& inputs, kernels::cuda::Graph* graph);
  // Sends the inputs of a step of so many rows, one token each, none of which is a request's.
  void SendTypicalStep(size_t rows);
  // Two graphs' times for such a step.
  struct StepTimes {
    float first_ms = std::numeric_limits<float>::infinity();
    float second_ms = std::numeric_limits<float>::infinity();
  };
  StepTimes TimeTypicalSteps(size_t rows, kernels::cuda::Graph* first,
                             kernels::cuda::Graph* second);
  // The decoder program with what surrounds it, for arrays in these places. `beams`: whether rows
  // may be in beam search.
  void RunDecoder(DeviceDecoderInputs inputs, bool beams);

  InFlight& StepAt(uint64_t index) { return steps_[index % std::size(steps_)]; }
  // Notes where a step begins on the device's stream. Every event that is recorded there takes a
  // moment between two steps.
  void Begin(InFlight* step);
  absl::Status Decode(const StepPlan& plan);
  // How the rows that inputs_ was built of choose. What those that start need goes to the device.
  absl::Span<const kernels::cuda::RowChoice> SendRows(const StepPlan& plan, RowRange range);
  DecoderPadding PaddingFor(size_t rows) const;
  absl::Status status() const;
  // status(), once a device is lost: from then on nothing is put on it.
  absl::Status Lost();

  kernels::cuda::Device& device_;
  const Model& model_;
  const CudaRunnerLimits limits_;
  const TableStrides strides_;  // in graphs
  kernels::cuda::Executor executor_;
  StepInputs inputs_;
  std::vector<kernels::cuda::RowChoice> rows_;
  DeviceInputs device_inputs_;
  CudaEncoder encoder_;
  DeviceScores scores_;
  // By the number of rows: [0] for steps without beam search, [1] for those with.
  std::map<size_t, kernels::cuda::Graph> graphs_[2];
  // The graphs of so many rows fetch weights ahead (kernels/cuda/weight_prefetch.h).
  std::set<size_t> prefetching_rows_;

  TokenSets token_sets_;
  RowRules row_rules_;
  DeviceRows device_rows_;  // max_rows, and one for filling rows
  RowResults results_;
  InFlight steps_[3];  // the two that may be on their way, and the one in front of them
  uint64_t launched_ = 0;
  uint64_t collected_ = 0;
};

}  // namespace transept
