// 16-bit floating-point numbers as scalars, bit by bit. Kernels convert in registers instead.
#pragma once

#include <bit>
#include <cstdint>

#include "kernels/dtype.h"

namespace transept::kernels {

inline float FromBFloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// Rounds to nearest, ties to even; NaN stays NaN.
inline uint16_t ToBFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (value != value) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float FromFloat16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1f;
  const uint32_t fraction = bits & 0x3ff;
  if (exponent == 0) {  // zero or subnormal: fraction * 2^-24
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 0x1f ? 0xff : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

// Rounds to nearest, ties to even; beyond 65504 becomes infinity, NaN stays NaN.
inline uint16_t ToFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // rounds to 65536 or more
  if (magnitude < 0x38800000) {                       // subnormal: let the adder round to 2^-24
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(shifted) - 0x3f000000);
  }
  const uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return sign | static_cast<uint16_t>((rounded - 0x38000000) >> 13);
}

// Element `i` of an array of `type`; of kInt8 the number without its scale.
inline float LoadElement(const void* data, DataType type, int64_t i) {
  switch (type) {
    case DataType::kFloat32: return static_cast<const float*>(data)[i];
    case DataType::kBFloat16: return FromBFloat16(static_cast<const uint16_t*>(data)[i]);
    case DataType::kFloat16: return FromFloat16(static_cast<const uint16_t*>(data)[i]);
    case DataType::kInt8: return static_cast<const int8_t*>(data)[i];
  }
  return 0.0f;
}

inline void StoreElement(void* data, DataType type, int64_t i, float value) {
  switch (type) {
    case DataType::kFloat32: static_cast<float*>(data)[i] = value; return;
    case DataType::kBFloat16: static_cast<uint16_t*>(data)[i] = ToBFloat16(value); return;
    case DataType::kFloat16: static_cast<uint16_t*>(data)[i] = ToFloat16(value); return;
    case DataType::kInt8: static_cast<int8_t*>(data)[i] = static_cast<int8_t>(value); return;
  }
}

}  // namespace transept::kernels
