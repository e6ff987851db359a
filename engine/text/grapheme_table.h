// Character classes of Unicode's grapheme cluster rules (UAX #29), as sorted ranges.
#pragma once

#include "absl/types/span.h"

namespace transept {

struct CodePointRange {
  char32_t first;
  char32_t last;
};

absl::Span<const CodePointRange> ExtendingRanges();  // Extend, SpacingMark and ZWJ
absl::Span<const CodePointRange> PrependRanges();
absl::Span<const CodePointRange> ControlRanges();  // with CR and LF

}  // namespace transept
