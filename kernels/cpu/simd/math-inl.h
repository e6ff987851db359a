// Activation functions on vectors, for the instruction set that is being compiled.

#if defined(TRANSEPT_KERNELS_CPU_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TRANSEPT_KERNELS_CPU_SIMD_MATH_INL_H_
#undef TRANSEPT_KERNELS_CPU_SIMD_MATH_INL_H_
#else
#define TRANSEPT_KERNELS_CPU_SIMD_MATH_INL_H_
#endif

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/cpu/simd/load-inl.h"
#include "kernels/operation.h"

HWY_BEFORE_NAMESPACE();
namespace transept::kernels::cpu::HWY_NAMESPACE {

HWY_INLINE VF32 Constant(float value) {
  return hn::Set(F32(), value);
}

// x / (1 + e^y), without the overflow of e^y.
HWY_INLINE VF32 OverOnePlusExp(VF32 x, VF32 y) {
  const VF32 exp = hn::Exp(F32(), hn::Min(y, Constant(88.0f)));
  return hn::Div(x, hn::Add(Constant(1.0f), exp));
}

// 1 - erf(a) for a >= 0 as t exp(-a² + P(t)), t = 1 / (1 + a / 2), relative error 3e-7 plus that of
// exp. P is the Chebyshev interpolant of ln(erfc(a) / t) + a² of degree 9 on a in [0, 10].
HWY_INLINE VF32 Erfc(VF32 a) {
  constexpr float kP[] = {0.144930214f,   -0.6808272f,   1.15673375f, -0.696251929f, -0.0802804306f,
                          0.00126758474f, 0.0346028022f, 0.3866404f,  0.998632789f,  -1.26544797f};
  const VF32 t = hn::Div(Constant(1.0f), hn::MulAdd(a, Constant(0.5f), Constant(1.0f)));
  VF32 p = Constant(kP[0]);
  for (size_t i = 1; i < sizeof(kP) / sizeof(kP[0]); ++i) p = hn::MulAdd(p, t, Constant(kP[i]));
  return hn::Mul(t, hn::Exp(F32(), hn::NegMulAdd(a, a, p)));
}

// x Φ(x)
HWY_INLINE VF32 Gelu(VF32 x) {
  const VF32 half_tail = hn::Mul(Constant(0.5f), Erfc(hn::Mul(hn::Abs(x), Constant(0.70710678f))));
  const auto positive = hn::Gt(x, hn::Zero(F32()));
  return hn::Mul(x, hn::IfThenElse(positive, hn::Sub(Constant(1.0f), half_tail), half_tail));
}

// With u = √(2/π) (x + 0.044715 x³): 0.5 x (1 + tanh u) = x / (1 + e^-2u).
HWY_INLINE VF32 GeluTanh(VF32 x) {
  const VF32 inner = hn::MulAdd(hn::Mul(x, x), Constant(0.044715f), Constant(1.0f));
  return OverOnePlusExp(x, hn::Mul(hn::Mul(x, inner), Constant(-1.59576912f)));
}

HWY_INLINE VF32 Activate(ActivationFunction function, VF32 x) {
  switch (function) {
    case ActivationFunction::kNone: return x;
    case ActivationFunction::kRelu: return hn::Max(hn::Zero(F32()), x);
    case ActivationFunction::kGelu: return Gelu(x);
    case ActivationFunction::kGeluTanh: return GeluTanh(x);
    case ActivationFunction::kSilu: return OverOnePlusExp(x, hn::Neg(x));
  }
  return x;
}

}  // namespace transept::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
