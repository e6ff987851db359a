// The languages of the released multilingual checkpoints, in the order of their token ids.
#pragma once

#include <string_view>

#include "absl/types/span.h"

namespace transept {

absl::Span<const std::string_view> MBartLanguages();
absl::Span<const std::string_view> MBart50Languages();
absl::Span<const std::string_view> M2M100Languages();
absl::Span<const std::string_view> Wmt21Languages();
absl::Span<const std::string_view> NllbLanguages();
absl::Span<const std::string_view> PLBartBaseLanguages();
absl::Span<const std::string_view> PLBartMultiLanguages();

}  // namespace transept
