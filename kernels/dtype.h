// Element types of weights, activations and K/V caches.
#pragma once

#include <cstddef>
#include <cstdint>

namespace transept::kernels {

// kInt8 is for weight matrices (kernels/tensor.h) and nothing else.
enum class DataType : uint8_t { kFloat32, kBFloat16, kFloat16, kInt8 };

// Bytes of one element.
constexpr size_t SizeOf(DataType type) {
  switch (type) {
    case DataType::kFloat32: return 4;
    case DataType::kBFloat16:
    case DataType::kFloat16: return 2;
    case DataType::kInt8: return 1;
  }
  return 0;
}

// The name used in configuration files and error messages: "float32", "bfloat16", "float16",
// "int8".
constexpr const char* Name(DataType type) {
  switch (type) {
    case DataType::kFloat32: return "float32";
    case DataType::kBFloat16: return "bfloat16";
    case DataType::kFloat16: return "float16";
    case DataType::kInt8: return "int8";
  }
  return "unknown";
}

}  // namespace transept::kernels
