// A device without a model, for tests of the scheduler: it keeps in its pages who wrote what, and
// generates tokens that depend on exactly what a row can read there.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "engine/schedule/scheduler_options.h"
#include "engine/text/tokenizer.h"
#include "engine/types/batch.h"
#include "engine/types/request.h"
#include "engine/types/result.h"

namespace transept {

inline constexpr TokenId kFakeEos = 1;
inline constexpr TokenId kFakeStart = 0;

// The token that follows `target` in row `hypothesis`: any function of all of it. About one in
// `eos_interval` ends the row.
GeneratedToken FakeNextToken(absl::Span<const TokenId> source, absl::Span<const TokenId> target,
                             int32_t hypothesis, uint64_t eos_interval);

// What follows the beams of a search, `targets` with their `scores`: the best of some continuations
// of each, best first, of which about one in `eos_interval` beams has one that ends it.
std::vector<BeamCandidate> FakeContinuations(const DecodeParams& params,
                                             absl::Span<const TokenId> source,
                                             absl::Span<const std::vector<TokenId>> targets,
                                             absl::Span<const float> scores, uint64_t eos_interval);

// What the request must generate, whatever happens to it on the way. `tokenizer` is for searches
// with stop sequences.
std::vector<Hypothesis> FakeGenerate(const Request& request, uint64_t eos_interval,
                                     const Tokenizer* tokenizer);

// What the request's targets must come to, likewise.
std::vector<Hypothesis> FakeScore(const Request& request);

// What an Encode request must get.
std::vector<float> FakeStates(absl::Span<const TokenId> source, Pooling pooling);

// Executes plans in order. Each breach of the contract of engine/types/batch.h, and each page that
// does not hold what its reader needs, is reported in errors().
class FakeRunner {
 public:
  // Takes of `options` what it must know of the device.
  FakeRunner(int32_t num_blocks, const SchedulerOptions& options, uint64_t eos_interval);

  // The requests whose rows may turn up. Must outlive the runner.
  void Register(RequestId id, const Request* request) { requests_[id] = request; }

  // Runs the step. The result is complete, but the caller may hand it on later.
  StepResult Launch(const StepPlan& plan);

  // Fills all pages with rubbish, as a failed step does.
  void Scramble();

  const std::vector<std::string>& errors() const { return errors_; }
  int64_t sources_encoded() const { return sources_encoded_; }

 private:
  // One position of a page.
  struct Cell {
    bool cross = false;
    RequestId request = 0;  // self pages: the row that wrote it
    int32_t hypothesis = -1;
    int32_t position = -1;
    TokenId token = -1;
    uint64_t step = 0;  // that wrote it
  };
  // The newest token of a slot's row, as the device remembers it.
  struct Newest {
    RequestId request = 0;
    int32_t hypothesis = -1;
    int32_t position = -1;
    TokenId token = -1;
  };

  // What a slot's row, a beam, has on the device besides.
  struct Beam {
    float score = 0.0f;
    std::vector<int32_t> writers;  // by position: which of the search's rows wrote it
  };
  using Rows = absl::Span<const RowPlan>;

  template <typename... Parts>
  void Expect(bool condition, const RowPlan& row, const Parts&... what);
  void Encode(const EncodeItem& item, StepResult* result);
  void Score(const RowPlan& row, absl::Span<const TokenId> source, StepResult* result);
  Cell* At(absl::Span<const BlockId> blocks, int32_t position);
  void CheckShape(const StepPlan& plan);
  void CheckSearch(Rows rows);
  // A step's sources are written at any time while its rows write and read.
  void CheckApart(const StepPlan& plan);
  void Feed(const RowPlan& row);
  void FeedBeam(const RowPlan& row);
  // `rows` are those of the row's request, if it is a beam, or the row alone.
  std::vector<TokenId> ReadTarget(const RowPlan& row, Rows rows);
  std::vector<BeamCandidate> Search(Rows rows, const SourceView& source);
  std::vector<TokenId> ReadSource(const RowPlan& row, const SourceView& source);

  const int32_t block_size_;
  const int32_t max_rows_;
  const bool encodes_beside_rows_;
  const uint64_t eos_interval_;
  std::map<RequestId, const Request*> requests_;
  std::vector<Cell> cells_;
  std::vector<Newest> newest_;  // [max_rows]
  // The row that started at each slot last: [max_rows].
  std::vector<std::pair<RequestId, int32_t>> owners_;
  std::vector<Beam> beams_;  // [max_rows]
  std::vector<std::string> errors_;
  uint64_t last_step_ = 0;
  int64_t sources_encoded_ = 0;
};

}  // namespace transept
