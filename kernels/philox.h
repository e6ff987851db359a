// The counter-based generator Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel Random
// Numbers: As Easy as 1, 2, 3" (SC 2011): a pure function of key and counter, so that any row of
// any batch on any device finds its random number without state. Compiled for GPUs too.
#pragma once

#include <array>
#include <cstdint>

namespace transept::kernels {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

constexpr PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key) {
  constexpr int kRounds = 10;
  constexpr uint64_t kMultiplier0 = 0xD2511F53;
  constexpr uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9;  // golden ratio
  constexpr uint32_t kWeyl1 = 0xBB67AE85;  // sqrt(3) - 1
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key = {key[0] + kWeyl0, key[1] + kWeyl1};
  }
  return counter;
}

// The sampling draw of one row at one position: uniform in [0, 1), 53 bits.
constexpr double SamplingUniform(uint64_t seed, uint32_t hypothesis, uint32_t position) {
  const PhiloxCounter bits =
      Philox4x32({position, hypothesis, 0, 0},
                 {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  const uint64_t word = (uint64_t{bits[0]} << 32) | bits[1];
  return static_cast<double>(word >> 11) * 0x1.0p-53;
}

// The draw of one continuation of a beam: uniform in (0, 1), 52 bits.
constexpr double BeamUniform(uint64_t seed, uint32_t beam, uint32_t position, uint32_t token) {
  const PhiloxCounter bits = Philox4x32(
      {position, beam, token, 1}, {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  const uint64_t word = (uint64_t{bits[0]} << 32) | bits[1];
  return (static_cast<double>(word >> 12) + 0.5) * 0x1.0p-52;
}

// A beam with a score above this one draws. Those without a past have -1e9, in which noise would be
// lost.
inline constexpr float kLeastDrawingScore = -1e8f;

}  // namespace transept::kernels
