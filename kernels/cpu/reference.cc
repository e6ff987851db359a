#include "kernels/cpu/reference.h"
#include "kernels/cpu/paged_kv.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/float16.h"

namespace transept::kernels::cpu::reference {
namespace {

// The same with weights in int8: x is rounded to int8 too.
float Int8Dot(const Matrix& weight, int64_t row, const float* x) {
  float largest = 0;
  for (int64_t k = 0; k < weight.cols; ++k) largest = std::max(largest, std::abs(x[k]));
  const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
  int64_t sum = 0;
  for (int64_t k = 0; k < weight.cols; ++k) {
    sum += static_cast<int64_t>(std::nearbyint(x[k] * inverse)) *
           static_cast<const int8_t*>(weight.data)[row * weight.cols + k];
  }
  return static_cast<float>(sum) * (largest / 127.0f * weight.scales[row]);
}

// Row `row` of `weight` times `x`.
float Dot(const Matrix& weight, int64_t row, const float* x) {
  if (weight.dtype == DataType::kInt8) return Int8Dot(weight, row, x);
  double sum = 0;
  for (int64_t k = 0; k < weight.cols; ++k) {
    sum +=
        static_cast<double>(LoadElement(weight.data, weight.dtype, row * weight.cols + k)) * x[k];
  }
  return static_cast<float>(sum);
}

}  // namespace

float Activate(ActivationFunction function, float x) {
  const double v = x;
  switch (function) {
    case ActivationFunction::kNone: return x;
    case ActivationFunction::kRelu: return x < 0 ? 0.0f : x;
    case ActivationFunction::kGelu:
      return static_cast<float>(0.5 * v * std::erfc(-v / std::numbers::sqrt2));
    case ActivationFunction::kGeluTanh: {
      const double inner = std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v);
      return static_cast<float>(0.5 * v * (1 + std::tanh(inner)));
    }
    case ActivationFunction::kSilu: return static_cast<float>(v / (1 + std::exp(-v)));
  }
  return x;
}

void Run(const EmbedOp& op, const Step& step) {
  for (int64_t t = 0; t < step.num_tokens; ++t) {
    float* out = RowOf(op.out, t);
    const int64_t token = step.token_ids[t];
    const int64_t position = step.embedded_positions[t] + op.position_offset;
    const float scale = op.scale * (op.table.scales ? op.table.scales[token] : 1.0f);
    for (int64_t i = 0; i < op.table.cols; ++i) {
      out[i] = LoadElement(op.table.data, op.table.dtype, token * op.table.cols + i) * scale;
      if (op.positions.data == nullptr) continue;
      out[i] += static_cast<const float*>(op.positions.data)[position * op.positions.cols + i];
    }
  }
}

void Run(const NormOp& op, const Step& step) {
  const int64_t width = op.in.width;
  for (int64_t m = 0; m < step.Rows(op.in.extent); ++m) {
    const float* in = RowOf(op.in, m);
    float* out = RowOf(op.out, m);
    double sum = 0;
    for (int64_t i = 0; i < width; ++i) sum += in[i];
    const double mean = op.kind == NormKind::kLayer ? sum / width : 0;
    double squares = 0;
    for (int64_t i = 0; i < width; ++i) squares += (in[i] - mean) * (in[i] - mean);
    const double scale = op.output_scale / std::sqrt(squares / width + op.eps);
    for (int64_t i = 0; i < width; ++i) {
      const double bias = op.bias.data ? op.bias.data[i] : 0;
      out[i] = op.kind == NormKind::kNone
                   ? in[i] * op.output_scale
                   : static_cast<float>((in[i] - mean) * scale * op.weight.data[i] +
                                        bias * op.output_scale);
    }
    if (op.stream.data) std::copy_n(out, width, RowOf(op.stream, m));
  }
}

void Run(const LinearOp& op, const Step& step) {
  for (int64_t m = 0; m < step.Rows(op.in.extent); ++m) {
    const float* in = RowOf(op.in, m);
    float* out = RowOf(op.out, m);
    for (int64_t n = 0; n < op.weight.rows; ++n) {
      const float bias = op.bias.data ? op.bias.data[n] : 0;
      const float residual = op.residual.data ? RowOf(op.residual, m)[n] : 0;
      out[n] = Activate(op.activation, Dot(op.weight, n, in) + bias) + residual;
    }
  }
}

void Run(const GatedLinearOp& op, const Step& step) {
  const int64_t width = op.weight.rows / 2;
  for (int64_t m = 0; m < step.Rows(op.in.extent); ++m) {
    const float* in = RowOf(op.in, m);
    float* out = RowOf(op.out, m);
    for (int64_t n = 0; n < width; ++n) {
      out[n] = Activate(op.activation, Dot(op.weight, n, in)) * Dot(op.weight, width + n, in);
    }
  }
}

void Run(const ProjectCrossKvOp& op, const Step& step) {
  const int64_t* slots = step.encoder->cross_slots;
  int64_t feature = 0;  // row of the weight
  for (const PagedKv& cache : op.caches) {
    for (void* pages : {cache.keys, cache.values}) {
      for (int64_t head = 0; head < cache.num_kv_heads; ++head) {
        for (int64_t i = 0; i < cache.head_size; ++i, ++feature) {
          const float bias = op.bias.data ? op.bias.data[feature] : 0;
          for (int64_t t = 0; t < step.num_tokens; ++t) {
            if (slots[t] < 0) continue;
            StoreElement(pages, cache.dtype, SlotOffset(cache, slots[t], head) + i,
                         Dot(op.weight, feature, RowOf(op.in, t)) + bias);
          }
        }
      }
    }
  }
}

void Run(const GatherRowsOp& op, const Step& step) {
  for (int64_t r = 0; r < step.num_rows; ++r) {
    std::copy_n(RowOf(op.in, step.offsets[r + 1] - 1), op.in.width, RowOf(op.out, r));
  }
}

void Run(const Program& program, const Step& step) {
  for (const Operation& operation : program.operations) {
    std::visit([&](const auto& op) { Run(op, step); }, operation);
  }
}

}  // namespace transept::kernels::cpu::reference
