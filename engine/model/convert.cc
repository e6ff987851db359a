#include "engine/model/convert.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/float16.h"

namespace transept {
namespace {

using kernels::DataType;

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
  static float Load(uint16_t v) { return kernels::FromBFloat16(v); }
  static uint16_t Store(float v) { return kernels::ToBFloat16(v); }
};
template <>
struct Element<DataType::kFloat16> {
  using Storage = uint16_t;
  static float Load(uint16_t v) { return kernels::FromFloat16(v); }
  static uint16_t Store(float v) { return kernels::ToFloat16(v); }
};

// Calls `fn` with the Element of `type`.
template <typename Fn>
auto Dispatch(DataType type, Fn fn) {
  switch (type) {
    case DataType::kBFloat16: return fn(Element<DataType::kBFloat16>{});
    case DataType::kFloat16: return fn(Element<DataType::kFloat16>{});
    case DataType::kFloat32:
    case DataType::kInt8: break;  // QuantizeRow's
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

Int8Row QuantizeRow(const float* source, int8_t* destination, size_t count) {
  float largest = 0.0f;
  for (size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(source[i]));
  const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
  Int8Row row{.scale = largest / 127.0f};
  for (size_t i = 0; i < count; ++i) {
    const float number = std::clamp(std::nearbyint(source[i] * inverse), -127.0f, 127.0f);
    destination[i] = static_cast<int8_t>(number);
    row.sum += destination[i];
  }
  return row;
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
