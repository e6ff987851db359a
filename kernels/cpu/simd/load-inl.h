// Loads of float32, bfloat16, float16 and int8 memory as float32 vectors, for the instruction set
// that is being compiled.

#if defined(TRANSEPT_KERNELS_CPU_SIMD_LOAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSEPT_KERNELS_CPU_SIMD_LOAD_INL_H_
#undef TRANSEPT_KERNELS_CPU_SIMD_LOAD_INL_H_
#else
#define TRANSEPT_KERNELS_CPU_SIMD_LOAD_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace transept::kernels::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using VF32 = hn::Vec<F32>;
static_assert(!HWY_HAVE_SCALABLE, "the kernels keep arrays of vectors");
inline constexpr size_t kLanes = hn::MaxLanes(F32());

// Vectors that fit in registers, as a tile size.
inline constexpr bool kManyRegisters = HWY_MAX_BYTES == 64 || HWY_ARCH_ARM;

HWY_INLINE VF32 Load(const float* from) {
  return hn::LoadU(F32(), from);
}

HWY_INLINE VF32 Load(const hwy::bfloat16_t* from) {
  const hn::Rebind<uint16_t, F32> narrow;
  const hn::RebindToUnsigned<F32> wide;
  const auto bits = hn::LoadU(narrow, reinterpret_cast<const uint16_t*>(from));
  return hn::BitCast(F32(), hn::ShiftLeft<16>(hn::PromoteTo(wide, bits)));
}

HWY_INLINE VF32 Load(const hwy::float16_t* from) {
  return hn::PromoteTo(F32(), hn::LoadU(hn::Rebind<hwy::float16_t, F32>(), from));
}

HWY_INLINE VF32 Load(const int8_t* from) {
  const hn::RebindToSigned<F32> wide;
  const auto numbers = hn::LoadU(hn::Rebind<int8_t, F32>(), from);
  return hn::ConvertTo(F32(), hn::PromoteTo(wide, numbers));
}

// The first `count` < kLanes elements, then zeros; reads no further.
template <class T>
HWY_INLINE VF32 LoadFirst(const T* from, size_t count) {
  HWY_ALIGN T padded[kLanes] = {};
  memcpy(static_cast<void*>(padded), from, count * sizeof(T));
  return Load(padded);
}

HWY_INLINE void StoreFirst(VF32 value, float* to, size_t count) {
  HWY_ALIGN float padded[kLanes];
  hn::Store(value, F32(), padded);
  memcpy(to, padded, count * sizeof(float));
}

HWY_INLINE void Store(VF32 value, float* to) {
  hn::StoreU(value, F32(), to);
}

// Asks for the cache line at `at` to be in the second-level cache soon. Processors drop such
// requests when too many are under way, so callers ask for a line several times before they need
// it.
template <class T>
HWY_INLINE void Fetch(const T* at) {
  __builtin_prefetch(at, 0, 2);
}

// Fetches all lines of [from, from + count).
template <class T>
HWY_INLINE void FetchRun(const T* from, size_t count) {
  for (size_t i = 0; i < count; i += 64 / sizeof(T)) Fetch(from + i);
}

// Rows of a matrix that will be read after those being read now: fetched in step with them. The
// hardware's prefetchers stop at every 4 KiB page and start anew for each row, which costs half of
// the bandwidth.
template <class T>
struct Ahead {
  const T* data;
  size_t stride;
  size_t count;

  // Element k of each row.
  HWY_INLINE void Touch(size_t k) const {
    for (size_t i = 0; i < count; ++i) Fetch(data + i * stride + k);
  }
};

HWY_INLINE float SumOf(VF32 value) {
  return hn::GetLane(hn::SumOfLanes(F32(), value));
}

}  // namespace transept::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
