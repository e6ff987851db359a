#include "tests/bench/trace_operations.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cache/kv_cache_spec.h"
#include "engine/runner/step_inputs.h"
#include "tests/bench/operation_timer.h"

namespace transept::bench {
namespace {

using Times = std::vector<OperationTime>;

// A step of such a shape, and the arrays that its plan points to.
class ShapedStep {
 public:
  ShapedStep(const ModelOptions& options, const StepShape& shape) : shape_(shape) {
    const int32_t cross = BlocksFor(shape.source_tokens, options.block_size);
    const int32_t self = BlocksFor(shape.position + 1, options.block_size);
    tokens_.resize(std::max(shape.source_tokens, shape.position + 1));
    blocks_.resize(int64_t{shape.rows} * (cross + self));
    std::iota(blocks_.begin(), blocks_.end(), 0);
    const int32_t encoded =
        std::clamp(options.max_encoder_tokens / shape.source_tokens, 1, shape.rows);
    absl::Span<const BlockId> free = blocks_;
    for (int32_t i = 0; i < shape.rows; ++i) {
      if (i < encoded) plan_.encode.push_back({Tokens(shape.source_tokens), free.first(cross)});
      plan_.sources.push_back({free.first(cross), shape.source_tokens});
      plan_.rows.push_back({.request = static_cast<RequestId>(i),
                            .slot = i,
                            .source = i,
                            .tokens = Tokens(1),
                            .first_position = shape.position,
                            .blocks = free.subspan(cross, self),
                            .params = &params_,
                            .history = Tokens(shape.position + 1)});
      free.remove_prefix(cross + self);
    }
  }
  ShapedStep(const ShapedStep&) = delete;
  ShapedStep& operator=(const ShapedStep&) = delete;

  const StepPlan& plan() const { return plan_; }
  size_t num_blocks() const { return blocks_.size(); }

 private:
  absl::Span<const TokenId> Tokens(int32_t count) const {
    return absl::MakeConstSpan(tokens_).first(count);
  }

  const StepShape shape_;
  const DecodeParams params_;
  std::vector<TokenId> tokens_;
  std::vector<BlockId> blocks_;
  StepPlan plan_;
};

// Each operation's median of several runs, after one that warms up.
absl::StatusOr<Times> MedianTimes(const std::function<absl::StatusOr<Times>()>& run) {
  constexpr size_t kRuns = 5;
  std::vector<Times> runs;
  for (size_t i = 0; i <= kRuns; ++i) {
    absl::StatusOr<Times> times = run();
    if (!times.ok()) return times.status();
    if (i > 0) runs.push_back(*std::move(times));
  }
  Times median = runs.front();
  for (size_t i = 0; i < median.size(); ++i) {
    std::vector<double> microseconds;
    for (const Times& times : runs) microseconds.push_back(times[i].microseconds);
    std::nth_element(microseconds.begin(), microseconds.begin() + kRuns / 2, microseconds.end());
    median[i].microseconds = microseconds[kRuns / 2];
  }
  return median;
}

void AddAll(Track track, const Times& times, const nlohmann::json& details, Timeline* timeline) {
  double begin = 0;
  for (const OperationTime& time : times) {
    timeline->Add(track, time.name, begin, time.microseconds, details);
    begin += time.microseconds;
  }
}

}  // namespace

absl::Status TraceOperations(const EngineOptions& options, const Checkpoint& checkpoint,
                             const StepShape& shape, Timeline* timeline) {
  const ShapedStep step(options.model, shape);
  if (step.num_blocks() > static_cast<size_t>(options.model.num_blocks)) {
    return absl::InternalError(absl::StrCat("the traced step needs ", step.num_blocks(),
                                            " blocks; there are ", options.model.num_blocks));
  }
  const absl::StatusOr<std::unique_ptr<OperationTimer>> timer =
      MakeOperationTimer(options, checkpoint);
  if (!timer.ok()) return timer.status();
  StepInputs inputs(options.model.block_size);
  inputs.BuildEncoder(step.plan());
  inputs.BuildDecoder(step.plan(), {0, step.plan().rows.size()}, /*pending=*/{});
  const absl::StatusOr<Times> encoder = MedianTimes([&] { return (*timer)->Encode(inputs); });
  if (!encoder.ok()) return encoder.status();
  const absl::StatusOr<Times> decoder = MedianTimes([&] { return (*timer)->Decode(inputs); });
  if (!decoder.ok()) return decoder.status();
  AddAll(Track::kEncoderOperations, *encoder,
         {{"sources", step.plan().encode.size()}, {"source tokens", shape.source_tokens}},
         timeline);
  AddAll(
      Track::kDecoderOperations, *decoder,
      {{"rows", shape.rows}, {"source tokens", shape.source_tokens}, {"position", shape.position}},
      timeline);
  return absl::OkStatus();
}

}  // namespace transept::bench
