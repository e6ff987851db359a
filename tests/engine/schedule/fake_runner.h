// A device for tests of the scheduler: it keeps in its pages who wrote what, and generates tokens
// that depend on exactly what a row can read there.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "engine/schedule/scheduler_options.h"
#include "engine/types/batch.h"
#include "engine/types/request.h"

namespace transept {

// Executes plans in order; a device that encodes beside rows takes its time with sources, the
// longest that it may. Each breach of the contract of engine/types/batch.h, and each page that does
// not hold what its reader needs, is reported in errors().
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
  void Encode(const EncodeItem& item);
  void RunRows(const StepPlan& plan, StepResult* result);
  // What takes until its step is named, at the latest: the sources of a step.
  struct Encoding {
    uint64_t step = 0;
    int32_t results = 0;  // that come without naming it, unless it is awaited
    std::vector<std::vector<TokenId>> sources;
    std::vector<std::vector<BlockId>> blocks;
    std::vector<std::vector<float>> states;
    bool written = false;
  };
  void BeginEncoding(const StepPlan& plan);
  void Write(Encoding* encoding);
  void NameEncoding(StepResult* result);
  void Score(const RowPlan& row, absl::Span<const TokenId> source, StepResult* result);
  Cell* At(absl::Span<const BlockId> blocks, int32_t position);
  void CheckShape(const StepPlan& plan);
  void CheckSearch(Rows rows);
  // Sources are written at any time while rows write and read.
  void CheckApart(const StepPlan& plan);
  void Feed(const RowPlan& row);
  void FeedBeam(const RowPlan& row);
  // `rows` are those of the row's request, if it is a beam, or the row alone.
  std::vector<TokenId> ReadTarget(const RowPlan& row, Rows rows);
  std::vector<BeamCandidate> Search(Rows rows, const SourceView& source);
  std::vector<TokenId> ReadSource(const RowPlan& row, const SourceView& source);

  const int32_t block_size_;
  const int32_t max_rows_;
  const int32_t max_target_positions_;
  const bool encodes_beside_rows_;
  const uint64_t eos_interval_;
  std::map<RequestId, const Request*> requests_;
  std::vector<Cell> cells_;
  std::vector<Newest> newest_;  // [max_rows]
  // The row that started at each slot last: [max_rows].
  std::vector<std::pair<RequestId, int32_t>> owners_;
  std::vector<Beam> beams_;  // [max_rows]
  std::deque<Encoding> encodings_;
  std::vector<std::string> errors_;
  uint64_t last_step_ = 0;
  int64_t sources_encoded_ = 0;
};

}  // namespace transept
