#include "kernels/cpu/simd/rows.h"

#include <cmath>
#include <cstring>

#include "kernels/cpu/simd/targets.h"
#include "kernels/float16.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/rows.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#include "hwy/highway.h"
#include "kernels/cpu/simd/load-inl.h"
#include "kernels/cpu/simd/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace transept::kernels::cpu::HWY_NAMESPACE {

// Calls full(i) for every whole vector of [0, count), then rest(i, elements) for what remains.
template <class Full, class Rest>
HWY_INLINE void ForEachVector(size_t count, const Full& full, const Rest& rest) {
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) full(i);
  if (i < count) rest(i, count - i);
}

template <class T>
void ReadTyped(const ReadRow& row) {
  const T* from = static_cast<const T*>(row.from);
  float* to = row.to;
  const VF32 scale = Constant(row.scale);
  if (row.accumulate) {
    ForEachVector(
        row.count,
        [&](size_t i) HWY_ATTR {
          hn::StoreU(hn::MulAdd(Load(from + i), scale, Load(to + i)), F32(), to + i);
        },
        [&](size_t i, size_t n) HWY_ATTR {
          StoreFirst(hn::MulAdd(LoadFirst(from + i, n), scale, LoadFirst(to + i, n)), to + i, n);
        });
  } else {
    ForEachVector(
        row.count,
        [&](size_t i) HWY_ATTR { hn::StoreU(hn::Mul(Load(from + i), scale), F32(), to + i); },
        [&](size_t i, size_t n)
            HWY_ATTR { StoreFirst(hn::Mul(LoadFirst(from + i, n), scale), to + i, n); });
  }
}

void ReadTarget(const ReadRow& row) {
  switch (row.dtype) {
    case DataType::kFloat32: return ReadTyped<float>(row);
    case DataType::kBFloat16: return ReadTyped<hwy::bfloat16_t>(row);
    case DataType::kFloat16: return ReadTyped<hwy::float16_t>(row);
    case DataType::kInt8: return ReadTyped<int8_t>(row);
  }
}

// The upper half of the bits, rounded to nearest, ties to even. NaN is made quiet, since rounding
// could turn it into infinity.
HWY_INLINE void StoreConverted(VF32 value, hwy::bfloat16_t* to) {
  const hn::RebindToUnsigned<F32> wide;
  const hn::Rebind<uint16_t, F32> narrow;
  const auto bits = hn::BitCast(wide, value);
  const auto upper = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(upper, hn::Set(wide, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(wide, 0x7fff)));
  const auto result =
      hn::IfThenElse(hn::RebindMask(wide, hn::IsNaN(value)), hn::Or(upper, hn::Set(wide, 0x40)),
                     hn::ShiftRight<16>(rounded));
  hn::StoreU(hn::TruncateTo(narrow, result), narrow, reinterpret_cast<uint16_t*>(to));
}

HWY_INLINE void StoreConverted(VF32 value, hwy::float16_t* to) {
// Where Highway truncates.
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SSE2
  HWY_ALIGN float values[kLanes];
  hn::Store(value, F32(), values);
  uint16_t bits[kLanes];
  for (size_t i = 0; i < kLanes; ++i) bits[i] = ToFloat16(values[i]);
  memcpy(static_cast<void*>(to), bits, sizeof(bits));
#else
  const hn::Rebind<hwy::float16_t, F32> narrow;
  hn::StoreU(hn::DemoteTo(narrow, value), narrow, to);
#endif
}

HWY_INLINE void StoreConverted(VF32 value, float* to) {
  hn::StoreU(value, F32(), to);
}

template <class T>
void WriteTyped(const float* from, size_t count, T* to) {
  ForEachVector(
      count, [&](size_t i) HWY_ATTR { StoreConverted(Load(from + i), to + i); },
      [&](size_t i, size_t n) HWY_ATTR {
        T converted[kLanes];
        StoreConverted(LoadFirst(from + i, n), converted);
        memcpy(static_cast<void*>(to + i), converted, n * sizeof(T));
      });
}

void WriteTarget(const float* from, int64_t count, DataType dtype, void* to) {
  switch (dtype) {
    case DataType::kFloat32: return WriteTyped(from, count, static_cast<float*>(to));
    case DataType::kBFloat16: return WriteTyped(from, count, static_cast<hwy::bfloat16_t*>(to));
    case DataType::kFloat16: return WriteTyped(from, count, static_cast<hwy::float16_t*>(to));
    case DataType::kInt8: return;  // weights alone are int8
  }
}

// Σ f(in[i]); f must map 0 to 0.
template <class F>
HWY_INLINE float SumMapped(const float* in, size_t width, const F& f) {
  VF32 sum = hn::Zero(F32());
  ForEachVector(
      width, [&](size_t i) HWY_ATTR { sum = hn::Add(sum, f(Load(in + i))); },
      [&](size_t i, size_t n) HWY_ATTR {
        // Through memory, so that f of the padding does not count.
        HWY_ALIGN float mapped[kLanes];
        hn::Store(f(LoadFirst(in + i, n)), F32(), mapped);
        sum = hn::Add(sum, LoadFirst(mapped, n));
      });
  return SumOf(sum);
}

void NormaliseTarget(const NormOp& op, const float* in, float* out) {
  const size_t width = op.in.width;
  if (op.kind == NormKind::kNone) {
    return ReadTarget({in, DataType::kFloat32, op.output_scale, false, out, op.in.width});
  }
  float mean = 0;
  if (op.kind == NormKind::kLayer) {
    mean = SumMapped(in, width, [](VF32 x) HWY_ATTR { return x; }) / width;
  }
  const VF32 centre = Constant(mean);
  const float squares = SumMapped(in, width, [&](VF32 x) HWY_ATTR {
    const VF32 y = hn::Sub(x, centre);
    return hn::Mul(y, y);
  });
  const VF32 scale = Constant(op.output_scale / std::sqrt(squares / width + op.eps));
  const VF32 bias_scale = Constant(op.output_scale);
  const float* weight = op.weight.data;
  const float* bias = op.bias.data;
  ForEachVector(
      width,
      [&](size_t i) HWY_ATTR {
        VF32 y = hn::Mul(hn::Mul(hn::Sub(Load(in + i), centre), scale), Load(weight + i));
        if (bias) y = hn::MulAdd(Load(bias + i), bias_scale, y);
        hn::StoreU(y, F32(), out + i);
      },
      [&](size_t i, size_t n) HWY_ATTR {
        VF32 y = hn::Mul(hn::Mul(hn::Sub(LoadFirst(in + i, n), centre), scale),
                         LoadFirst(weight + i, n));
        if (bias) y = hn::MulAdd(LoadFirst(bias + i, n), bias_scale, y);
        StoreFirst(y, out + i, n);
      });
}

void FinishTarget(const Epilogue& e) {
  for (int64_t m = 0; m < e.rows; ++m) {
    const float* product = e.product + m * e.product_stride;
    const float* factor = e.factor ? e.factor + m * e.product_stride : nullptr;
    const float* residual = e.residual ? e.residual + m * e.residual_stride : nullptr;
    float* out = e.out + m * e.out_stride;
    const auto finish = [&](const auto& load) HWY_ATTR {
      VF32 y = load(product);
      if (e.bias) y = hn::Add(y, load(e.bias));
      y = Activate(e.activation, y);
      if (factor) y = hn::Mul(y, load(factor));
      if (residual) y = hn::Add(y, load(residual));
      return y;
    };
    ForEachVector(
        e.columns,
        [&](size_t i) HWY_ATTR {
          hn::StoreU(finish([&](const float* from) HWY_ATTR { return Load(from + i); }), F32(),
                     out + i);
        },
        [&](size_t i, size_t n) HWY_ATTR {
          StoreFirst(finish([&](const float* from) HWY_ATTR { return LoadFirst(from + i, n); }),
                     out + i, n);
        });
  }
}

}  // namespace transept::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace transept::kernels::cpu {

HWY_EXPORT(ReadTarget);
void Read(const ReadRow& row) {
  HWY_DYNAMIC_DISPATCH(ReadTarget)(row);
}

HWY_EXPORT(WriteTarget);
void Write(const float* from, int64_t count, DataType dtype, void* to) {
  HWY_DYNAMIC_DISPATCH(WriteTarget)(from, count, dtype, to);
}

HWY_EXPORT(NormaliseTarget);
void Normalise(const NormOp& op, const float* in, float* out) {
  HWY_DYNAMIC_DISPATCH(NormaliseTarget)(op, in, out);
}

HWY_EXPORT(FinishTarget);
void Finish(const Epilogue& epilogue) {
  HWY_DYNAMIC_DISPATCH(FinishTarget)(epilogue);
}

}  // namespace transept::kernels::cpu
#endif
