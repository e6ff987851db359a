// Matrix products through cuBLASLt.
#pragma once

#include <cstdint>
#include <map>

#include "kernels/cuda/device.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// out = in * weightᵀ + bias for `rows` rows, or that added to `out`; then, with `relu`, what is
// negative becomes 0. Sums in float32; float32 operands are not rounded to TF32. A padded weight,
// and bias, is taken with its padding if the rows of `out` have room for the result: zeros.
struct Product {
  Matrix weight;
  Activations in;
  Activations out;
  const void* bias = nullptr;  // [weight.rows] of the type of `out`; null = none
  bool bias_padded = false;    // as Vector::padded
  bool relu = false;
  bool add_to_out = false;
  int64_t rows = 0;
  // Into how many parts the depth, a multiple of 8 times that, is divided: `out` is then
  // [parts, rows, width] without padding, with nothing added.
  int32_t parts = 1;
};

// Keeps an algorithm of cuBLASLt's for each kind of product and power of two of rows, so that few
// batches need a new choice. The heuristic proposes for the next power of two; the first proposal
// is taken or, while measuring, the fastest for the rows of that run; the first for the very rows
// where it refuses them.
class Blas {
 public:
  // `device` must outlive this object. Errors go to it.
  explicit Blas(Device* device) : device_(*device) {}

  // While true, Run tries several algorithms on a kind of product that it meets for the first time,
  // and adds its result several times where it adds: for steps that only warm up.
  void set_measuring(bool measuring) { measuring_ = measuring; }

  void Run(const Product& product);

 private:
  // What an algorithm depends on.
  struct Key {
    int64_t rows;
    int64_t in;
    int64_t out;
    int64_t in_stride;
    int64_t out_stride;
    DataType type;
    DataType out_type;
    bool bias;
    bool relu;
    bool add_to_out;
    int32_t parts;
    uint32_t alignment;
    auto operator<=>(const Key&) const = default;
  };

  bool Choose(const Product& product, cublasLtMatmulAlgo_t* algorithm);
  // Microseconds of one run, its weight read from memory.
  float Measure(const Product& product, const cublasLtMatmulAlgo_t& algorithm);
  cublasStatus_t Multiply(const Product& product, const cublasLtMatmulAlgo_t& algorithm);

  Device& device_;
  bool measuring_ = false;
  std::map<Key, cublasLtMatmulAlgo_t> algorithms_;
};

}  // namespace transept::kernels::cuda
