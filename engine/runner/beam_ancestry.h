// Where the pasts of running beams lie, on the CPU: DecoderInputs::ancestry.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/types/batch.h"
#include "kernels/inputs.h"

namespace transept {

// A row writes the K/V of each position it is fed into its own pages, for good. When a search
// continues other beams than before, its rows' pages stay as they are and this table says who wrote
// what. Not thread-safe.
class BeamAncestry {
 public:
  // For rows in `slots` slots, of at most `positions` positions each.
  BeamAncestry(int64_t slots, int64_t positions)
      : stride_(positions), writers_(slots * positions) {}

  // The row starts afresh: it, or row 0 of its search for it, is fed all of its past and writes it.
  void Start(const RowPlan& row);

  // Makes the chosen candidates the rows of their search, `rows`.
  void Continue(absl::Span<const RowPlan> rows, absl::Span<const BeamCandidate> candidates);

  void AddTo(kernels::DecoderInputs* inputs) const {
    inputs->ancestry = writers_.data();
    inputs->ancestry_stride = stride_;
  }

 private:
  int8_t* WritersOf(const RowPlan& row) { return writers_.data() + row.slot * stride_; }

  const int64_t stride_;
  std::vector<int8_t> writers_;  // [slots, positions], relative to the reader
  std::vector<int8_t> next_;     // scratch: [rows of a search, its length + 1]
};

}  // namespace transept
