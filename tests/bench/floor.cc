#include "tests/bench/floor.h"

#include "kernels/cpu/simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/bench/floor.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#include "hwy/highway.h"
#include "kernels/cpu/simd/load-inl.h"

HWY_BEFORE_NAMESPACE();
namespace transept::kernels::cpu::HWY_NAMESPACE {

inline constexpr size_t kChains = 12;

float Total(const VF32 (&sums)[kChains]) {
  VF32 total = sums[0];
  for (size_t i = 1; i < kChains; ++i) total = hn::Add(total, sums[i]);
  return SumOf(total);
}

float ReadStreamTarget(const float* from, int64_t count) {
  VF32 sums[kChains];
  for (size_t i = 0; i < kChains; ++i) sums[i] = hn::Zero(F32());
  for (int64_t i = 0; i < count; i += 8 * kLanes) {
    for (size_t j = 0; j < 8; ++j) sums[j] = hn::Add(sums[j], Load(from + i + j * kLanes));
  }
  return Total(sums);
}

float MultiplyAddTarget(int64_t times) {
  VF32 sums[kChains];
  for (size_t i = 0; i < kChains; ++i) sums[i] = hn::Set(F32(), static_cast<float>(i));
  const VF32 factor = hn::Set(F32(), 0.999f);
  const VF32 term = hn::Set(F32(), 0.001f);
  for (int64_t round = 0; round < times; ++round) {
    for (size_t i = 0; i < kChains; ++i) sums[i] = hn::MulAdd(sums[i], factor, term);
  }
  return Total(sums);
}

int64_t OperationsPerRoundTarget() {
  return 2 * kChains * kLanes;
}

}  // namespace transept::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transept::kernels::cpu {

HWY_EXPORT(ReadStreamTarget);
float ReadStream(const float* from, int64_t count) {
  return HWY_DYNAMIC_DISPATCH(ReadStreamTarget)(from, count);
}

HWY_EXPORT(MultiplyAddTarget);
float MultiplyAdd(int64_t times) {
  return HWY_DYNAMIC_DISPATCH(MultiplyAddTarget)(times);
}

HWY_EXPORT(OperationsPerRoundTarget);
int64_t OperationsPerRound() {
  return HWY_DYNAMIC_DISPATCH(OperationsPerRoundTarget)();
}

}  // namespace transept::kernels::cpu
#endif
