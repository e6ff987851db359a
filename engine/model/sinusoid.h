// Position tables that checkpoints leave out because they can be computed.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "engine/types/model_spec.h"

namespace transept {

// Fills row `row` of a table as wide as `out`; `kind` is one of the sinusoids, which PositionKind
// defines. An odd width gives Marian's one sine more than cosines, and fairseq's a last column of
// zeros.
void FillSinusoid(PositionKind kind, int64_t row, absl::Span<float> out);

}  // namespace transept
