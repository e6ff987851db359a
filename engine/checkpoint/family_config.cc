#include "engine/checkpoint/family_config.h"

#include <cstring>
#include <utility>

namespace transept {

using kernels::ActivationFunction;

int32_t ReadDimension(ConfigFields& config, std::string_view name, std::string_view general_name,
                      Range<int32_t> range, int32_t fallback) {
  const std::string_view used = config.Has(general_name) ? general_name : name;
  return config.Int(used, range).value_or(fallback);
}

ActivationFunction ReadActivation(ConfigFields& config, std::string_view field,
                                  std::string_view name) {
  static constexpr std::pair<std::string_view, ActivationFunction> kFunctions[] = {
      {"relu", ActivationFunction::kRelu},
      {"gelu", ActivationFunction::kGelu},
      {"gelu_python", ActivationFunction::kGelu},
      {"gelu_new", ActivationFunction::kGeluTanh},
      {"gelu_fast", ActivationFunction::kGeluTanh},
      {"gelu_pytorch_tanh", ActivationFunction::kGeluTanh},
      {"gelu_python_tanh", ActivationFunction::kGeluTanh},
      {"gelu_accurate", ActivationFunction::kGeluTanh},
      {"silu", ActivationFunction::kSilu},
      {"swish", ActivationFunction::kSilu},
      {"linear", ActivationFunction::kNone},
  };
  for (const auto& [known, function] : kFunctions) {
    if (known == name) return function;
  }
  config.Reject(field, "must be one of relu, gelu, gelu_new, silu, swish and linear");
  return ActivationFunction::kNone;
}

void RejectUnsupported(ConfigFields& config) {
  for (const std::string_view field : {"quantization_config", "per_layer_config"}) {
    if (config.Has(field)) config.Reject(field, "is not supported");
  }
  if (!config.Bool("is_encoder_decoder").value_or(true)) {
    config.Reject("is_encoder_decoder", "must be true");
  }
}

absl::StatusOr<bool> SameTensor(const TensorSource& tensors, absl::Span<const int64_t> shape,
                                const std::string& a, const std::string& b) {
  const absl::StatusOr<TensorView> first = tensors.Find(a, shape);
  if (!first.ok()) return first.status();
  const absl::StatusOr<TensorView> second = tensors.Find(b, shape);
  if (!second.ok()) return second.status();
  if (first->dtype != second->dtype) return false;
  size_t bytes = SizeOf(first->dtype);
  for (const int64_t extent : shape) bytes *= static_cast<size_t>(extent);
  return std::memcmp(first->data, second->data, bytes) == 0;
}

}  // namespace transept
