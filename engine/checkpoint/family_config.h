// What several families' readers do alike.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/config_fields.h"
#include "kernels/operation.h"

namespace transept {

// What a model may have of everything: far more than any has, and few enough that products of them
// do not overflow.
inline constexpr Range<int32_t> kWidthRange = {1, 1 << 16};
inline constexpr Range<int32_t> kFfnWidthRange = {1, 1 << 20};
inline constexpr Range<int32_t> kHeadsRange = {1, 1024};
inline constexpr Range<int32_t> kHeadSizeRange = {1, 1024};
inline constexpr Range<int32_t> kLayersRange = {1, 1024};
inline constexpr Range<int32_t> kPositionsRange = {1, 1 << 20};
inline constexpr Range<int32_t> kVocabularyRange = {2, 10'000'000};  // at least padding and end

// A dimension that config.json may call by the family's name or by transformers' general one, which
// wins.
int32_t ReadDimension(ConfigFields& config, std::string_view name, std::string_view general_name,
                      Range<int32_t> range, int32_t fallback);

// The function that transformers calls `name`, which stands in `field`; rejects others.
kernels::ActivationFunction ReadActivation(ConfigFields& config, std::string_view field,
                                           std::string_view name);

// Rejects what transformers would honour for every model and no reader here does.
void RejectUnsupported(ConfigFields& config);

// Whether two tensors of this shape, which must exist, are the same bytes.
absl::StatusOr<bool> SameTensor(const TensorSource& tensors, absl::Span<const int64_t> shape,
                                const std::string& a, const std::string& b);

}  // namespace transept
