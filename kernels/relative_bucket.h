// The bucket of T5's relative position bias.
#pragma once

#include <cmath>
#include <cstdint>

namespace transept::kernels {

// The row of the bias table for a key at `distance` = key position - query position, in
// [0, num_buckets). From the T5 paper (Raffel et al., 2020, section 2.1) as transformers computes
// it in float32 (T5Attention._relative_position_bucket):
//
// - bidirectional: half of the buckets serve distance <= 0, the rest distance > 0; r = |distance|
// - causal: all buckets serve distance <= 0; r = max(-distance, 0)
//
// With n buckets for r and e = n / 2: r itself below e, then logarithmically wider buckets,
//   e + ⌊log(r / e) / log(max_distance / e) * (n - e)⌋, at most n - 1.
//
// Where that is a whole number before it is rounded, the last bit of the logarithm decides, which
// is not the same in every library: with T5's 32 buckets and 128 positions this is PyTorch's.
//
// Requires num_buckets >= 2 (4 when bidirectional) and max_distance > e.
constexpr int32_t RelativeBucket(int64_t distance, int32_t num_buckets, int32_t max_distance,
                                 bool bidirectional) {
  int32_t first = 0;
  int64_t r = distance < 0 ? -distance : 0;
  if (bidirectional) {
    num_buckets /= 2;
    if (distance > 0) {
      first = num_buckets;
      r = distance;
    }
  }
  const int32_t exact = num_buckets / 2;
  if (r < exact) return first + static_cast<int32_t>(r);
  if (r >= max_distance) return first + num_buckets - 1;
  const float scale = std::log(static_cast<double>(max_distance) / exact);
  const int32_t step = static_cast<int32_t>(std::log(static_cast<float>(r) / exact) / scale *
                                            static_cast<float>(num_buckets - exact));
  return first + (exact + step < num_buckets ? exact + step : num_buckets - 1);
}

}  // namespace transept::kernels
