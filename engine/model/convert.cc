#include "engine/model/convert.h"

#include <bit>
#include <cmath>
#include <cstring>

namespace transept {
namespace {

using kernels::DataType;

float FromBFloat16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

uint16_t ToBFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

float FromFloat16(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1F;
  const uint32_t mantissa = bits & 0x3FF;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000u | (mantissa << 13));
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t ToFloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return sign | 0x7E00;
  if (magnitude >= 65520.0f) return sign | 0x7C00;
  if (magnitude < 0x1p-14f) {  // subnormal: a multiple of 2^-24
    return sign | static_cast<uint16_t>(std::nearbyint(magnitude * 0x1p24f));
  }
  const uint32_t rounded = (bits & 0x7FFFFFFF) + 0xFFF + ((bits >> 13) & 1);
  return sign | static_cast<uint16_t>((rounded - (112u << 23)) >> 13);
}

template <DataType kType>
struct Element;
template <>
struct Element<DataType::kFloat32> {
  using Storage = float;
  static float Load(float v) { return v; }
  static float Store(float v) { return v; }
};
template <>
struct Element<DataType::kBFloat16> {
  using Storage = uint16_t;
  static float Load(uint16_t v) { return FromBFloat16(v); }
  static uint16_t Store(float v) { return ToBFloat16(v); }
};
template <>
struct Element<DataType::kFloat16> {
  using Storage = uint16_t;
  static float Load(uint16_t v) { return FromFloat16(v); }
  static uint16_t Store(float v) { return ToFloat16(v); }
};

// Calls `fn` with the Element of `type`.
template <typename Fn>
auto Dispatch(DataType type, Fn fn) {
  switch (type) {
    case DataType::kBFloat16: return fn(Element<DataType::kBFloat16>{});
    case DataType::kFloat16: return fn(Element<DataType::kFloat16>{});
    case DataType::kFloat32: break;
  }
  return fn(Element<DataType::kFloat32>{});
}

template <typename Storage>
Storage Read(const void* data, size_t index) {
  Storage value;
  std::memcpy(&value, static_cast<const char*>(data) + index * sizeof(Storage), sizeof(Storage));
  return value;
}

}  // namespace

void Convert(const void* source, DataType source_type, void* destination, DataType destination_type,
             size_t count) {
  if (source_type == destination_type) {
    std::memcpy(destination, source, count * kernels::SizeOf(source_type));
    return;
  }
  Dispatch(source_type, [&](auto from) {
    Dispatch(destination_type, [&](auto to) {
      using From = typename decltype(from)::Storage;
      using To = typename decltype(to)::Storage;
      To* out = static_cast<To*>(destination);
      for (size_t i = 0; i < count; ++i) out[i] = to.Store(from.Load(Read<From>(source, i)));
    });
  });
}

bool HasNonFinite(const void* data, DataType type, size_t count) {
  return Dispatch(type, [&](auto element) {
    using Storage = typename decltype(element)::Storage;
    bool found = false;  // no early exit, so that the loop vectorises
    for (size_t i = 0; i < count; ++i) {
      const uint32_t bits = std::bit_cast<uint32_t>(element.Load(Read<Storage>(data, i)));
      found |= (bits & 0x7F800000u) == 0x7F800000u;
    }
    return found;
  });
}

}  // namespace transept
