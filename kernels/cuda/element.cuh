// Element types on the device: conversion, 16-byte vectors, and the dispatch from DataType.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/dtype.h"

namespace transept::kernels::cuda {

using BFloat16 = __nv_bfloat16;
using Float16 = __half;

__device__ inline float ToFloat(float x) {
  return x;
}
__device__ inline float ToFloat(BFloat16 x) {
  return __bfloat162float(x);
}
__device__ inline float ToFloat(Float16 x) {
  return __half2float(x);
}

// Rounds to nearest even. float16 saturates: an activation of T5 that exceeds its range is cut to
// the largest number, as transformers does with torch.clamp.
template <typename T>
__device__ inline T FromFloat(float x);
template <>
__device__ inline float FromFloat<float>(float x) {
  return x;
}
template <>
__device__ inline BFloat16 FromFloat<BFloat16>(float x) {
  return __float2bfloat16_rn(x);
}
template <>
__device__ inline Float16 FromFloat<Float16>(float x) {
  if (isnan(x)) return __float2half_rn(x);  // which fmaxf would hide
  return __float2half_rn(fminf(fmaxf(x, -65504.0f), 65504.0f));
}

// What FromFloat would have stored where a product of cuBLASLt's left `x`: infinity is beyond
// float16's largest number, and not fit for what follows.
template <typename T>
__device__ inline float Saturated(T x) {
  return ToFloat(FromFloat<T>(ToFloat(x)));
}

// kCount elements that are loaded and stored at once.
template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T element[kCount];
};
// How many make 16 bytes, the widest access of a thread.
template <typename T>
inline constexpr int kWidest = 16 / sizeof(T);

// Calls fn with a value of the element type that `type` names.
template <typename Fn>
void DispatchElement(DataType type, Fn fn) {
  switch (type) {
    case DataType::kFloat32: return fn(float{});
    case DataType::kBFloat16: return fn(BFloat16{});
    case DataType::kFloat16: return fn(Float16{});
    case DataType::kInt8: return;  // the CPU's alone
  }
}

}  // namespace transept::kernels::cuda
