#include "engine/model/weights.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/model/convert.h"

namespace transept {
namespace {

using kernels::DataType;
using kernels::Matrix;
using kernels::Vector;

// Copies tensors one after the other and keeps the first error, so that the code that names the
// tensors reads like the model. After an error everything it returns is empty.
class Loader {
 public:
  Loader(const TensorSource& source, DataType dtype, kernels::Memory* memory)
      : source_(source), dtype_(dtype), memory_(*memory) {}

  const absl::Status& status() const { return status_; }

  // The tensors `names`, each [rows[i], cols], stacked.
  Matrix Stack(const std::vector<std::pair<std::string, int64_t>>& names, int64_t cols) {
    int64_t rows = 0;
    for (const auto& [name, count] : names) rows += count;
    const size_t row_bytes = cols * kernels::SizeOf(dtype_);
    char* data = static_cast<char*>(Allocate(rows * row_bytes));
    char* next = data;
    for (const auto& [name, count] : names) {
      Copy(name, {count, cols}, dtype_, next);
      next += count * row_bytes;
    }
    if (!status_.ok()) return {};
    return {.data = data, .dtype = dtype_, .rows = rows, .cols = cols};
  }

  Matrix Single(const std::string& name, int64_t rows, int64_t cols) {
    return Stack({{name, rows}}, cols);
  }

  Vector Float32(const std::string& name, const std::vector<int64_t>& shape) {
    if (name.empty()) return {};
    int64_t size = 1;
    for (const int64_t dimension : shape) size *= dimension;
    void* data = Allocate(size * sizeof(float));
    Copy(name, shape, DataType::kFloat32, data);
    if (!status_.ok()) return {};
    return {.data = static_cast<float*>(data), .size = size};
  }

 private:
  void* Allocate(size_t bytes) {
    if (!status_.ok()) return nullptr;
    void* data = memory_.Allocate(bytes);
    if (data == nullptr) {
      status_ = absl::ResourceExhaustedError(
          absl::StrCat("no memory for weights: ", bytes, " bytes more were needed"));
    }
    return data;
  }

  // Converts and writes `name` in pieces that stay in the CPU's cache.
  void Copy(const std::string& name, const std::vector<int64_t>& shape, DataType type, void* to) {
    if (!status_.ok()) return;
    const absl::StatusOr<TensorView> tensor = source_.Find(name, shape);
    if (!tensor.ok()) {
      status_ = tensor.status();
      return;
    }
    size_t count = 1;
    for (const int64_t dimension : shape) count *= dimension;
    constexpr size_t kPiece = 16384;
    staging_.resize(kPiece * sizeof(float));
    for (size_t done = 0; done < count; done += kPiece) {
      const size_t n = std::min(kPiece, count - done);
      const char* from =
          static_cast<const char*>(tensor->data) + done * kernels::SizeOf(tensor->dtype);
      Convert(from, tensor->dtype, staging_.data(), type, n);
      if (HasNonFinite(staging_.data(), type, n)) {
        status_ = absl::InvalidArgumentError(absl::StrCat(
            source_.Origin(name), ": tensor ", name, " has a value that is not finite in ",
            kernels::Name(type), " among elements ", done, " to ", done + n - 1));
        return;
      }
      memory_.Write(static_cast<char*>(to) + done * kernels::SizeOf(type), staging_.data(),
                    n * kernels::SizeOf(type));
    }
  }

  const TensorSource& source_;
  const DataType dtype_;
  kernels::Memory& memory_;
  absl::Status status_;
  std::vector<char> staging_;
};

LayerWeights LoadLayer(const ModelSpec& spec, const StackSpec& stack, const LayerTensorNames& names,
                       Loader* loader) {
  const int64_t d = spec.d_model;
  const int64_t inner = stack.inner_size();
  const int64_t kv = stack.kv_size();
  const int64_t ffn = stack.ffn_size;
  LayerWeights layer;
  layer.self_norm = loader->Float32(names.self_norm, {d});
  layer.self_qkv =
      loader->Stack({{names.self_q, inner}, {names.self_k, kv}, {names.self_v, kv}}, d);
  layer.self_out = loader->Single(names.self_o, d, inner);
  layer.relative_bias =
      loader->Float32(names.relative_bias, {stack.relative_positions.num_buckets, stack.num_heads})
          .data;
  if (!names.cross_q.empty()) {
    layer.cross_norm = loader->Float32(names.cross_norm, {d});
    layer.cross_query = loader->Single(names.cross_q, inner, d);
    layer.cross_out = loader->Single(names.cross_o, d, inner);
  }
  layer.ffn_norm = loader->Float32(names.ffn_norm, {d});
  layer.ffn_in = spec.gated_ffn ? loader->Stack({{names.ffn_gate, ffn}, {names.ffn_up, ffn}}, d)
                                : loader->Single(names.ffn_up, ffn, d);
  layer.ffn_out = loader->Single(names.ffn_down, d, ffn);
  return layer;
}

std::vector<LayerWeights> LoadStack(const ModelSpec& spec, const StackSpec& stack,
                                    const std::vector<LayerTensorNames>& names, Loader* loader) {
  std::vector<LayerWeights> layers;
  for (const LayerTensorNames& layer_names : names) {
    layers.push_back(LoadLayer(spec, stack, layer_names, loader));
    if (layer_names.relative_bias.empty()) {
      layers.back().relative_bias = layers.front().relative_bias;
    }
  }
  return layers;
}

Matrix LoadCrossKv(const ModelSpec& spec, const std::vector<LayerTensorNames>& names,
                   Loader* loader) {
  const int64_t kv = spec.decoder.kv_size();
  std::vector<std::pair<std::string, int64_t>> stacked;
  for (const LayerTensorNames& layer : names) {
    stacked.emplace_back(layer.cross_k, kv);
    stacked.emplace_back(layer.cross_v, kv);
  }
  return loader->Stack(stacked, spec.d_model);
}

}  // namespace

absl::StatusOr<ModelWeights> LoadWeights(const Checkpoint& checkpoint, DataType dtype,
                                         kernels::Memory* memory) {
  const ModelSpec& spec = checkpoint.spec();
  const TensorNames& names = checkpoint.names();
  Loader loader(checkpoint.tensors(), dtype, memory);
  ModelWeights weights;
  weights.embedding = loader.Single(names.embedding, spec.vocab_size, spec.d_model);
  weights.output = names.output == names.embedding
                       ? weights.embedding
                       : loader.Single(names.output, spec.vocab_size, spec.d_model);
  weights.encoder = LoadStack(spec, spec.encoder, names.encoder, &loader);
  weights.encoder_norm = loader.Float32(names.encoder_norm, {spec.d_model});
  weights.decoder = LoadStack(spec, spec.decoder, names.decoder, &loader);
  weights.decoder_norm = loader.Float32(names.decoder_norm, {spec.d_model});
  weights.cross_kv = LoadCrossKv(spec, names.decoder, &loader);
  if (!loader.status().ok()) return loader.status();
  return weights;
}

}  // namespace transept
