#include "engine/model/weights.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/model/convert.h"
#include "engine/model/sinusoid.h"
#include "engine/types/progress.h"

namespace transept {
namespace {

using kernels::DataType;
using kernels::Matrix;
using kernels::Vector;

// Copies elements [begin, begin + count) of `tensor` to `out` as `type`, in chunks that stay in the
// CPU's cache until they have been checked. The first chunk with an element that is not finite
// lowers `spoiled` to where it begins.
void Read(const TensorView& tensor, DataType type, size_t begin, size_t count, char* out,
          std::atomic<size_t>* spoiled) {
  constexpr size_t kChunk = 16384;
  const char* const from =
      static_cast<const char*>(tensor.data) + begin * kernels::SizeOf(tensor.dtype);
  for (size_t done = 0; done < count; done += kChunk) {
    const size_t n = std::min(kChunk, count - done);
    char* const to = out + done * kernels::SizeOf(type);
    Convert(from + done * kernels::SizeOf(tensor.dtype), tensor.dtype, to, type, n);
    if (!HasNonFinite(to, type, n)) continue;
    size_t first = spoiled->load();
    while (begin + done < first && !spoiled->compare_exchange_weak(first, begin + done)) {
    }
    return;
  }
}

// The same by several threads where it is worth one: a single core copies slower than the page
// cache, or the way to a GPU, can.
void ReadParallel(const TensorView& tensor, DataType type, size_t begin, size_t count, char* out,
                  std::atomic<size_t>* spoiled) {
  constexpr size_t kMost = 8;
  constexpr size_t kWorthwhile = size_t{1} << 18;  // elements a thread
  const size_t threads = std::clamp<size_t>(
      count / kWorthwhile, 1, std::clamp<size_t>(std::thread::hardware_concurrency(), 1, kMost));
  const size_t share = (count + threads - 1) / threads;
  const auto read_share = [&](size_t i) {
    const size_t from = std::min(count, i * share);
    Read(tensor, type, begin + from, std::min(share, count - from),
         out + from * kernels::SizeOf(type), spoiled);
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < threads; ++i) others.emplace_back(read_share, i);
  read_share(0);
  for (std::thread& other : others) other.join();
}

// Rows of a weight that is stacked from several.
struct Part {
  std::string name;
  int64_t rows;
};

// Copies tensors one after the other and keeps the first error, so that the code that names the
// tensors reads like the model. After an error everything it returns is empty, and so is what has
// no name.
class Loader {
 public:
  Loader(const TensorSource& source, DataType dtype, bool biases, kernels::Memory* memory)
      : source_(source), dtype_(dtype), biases_(biases), memory_(*memory) {}

  const absl::Status& status() const { return status_; }

  // Says how many of `all` layers are complete, now one more, when reading takes long.
  void EndLayer(int32_t all) {
    ++layers_;
    if (progress_.IsDue(Clock::now())) spdlog::info("read {} of {} layers", layers_, all);
  }

  Matrix Table(const std::string& name, int64_t rows, int64_t cols) {
    return StackMatrix({{name, rows}}, cols);
  }

  // A position table, float32: the tensor `name`, or sinusoids where that is empty.
  Matrix Positions(const std::string& name, const PositionSpec& spec, int64_t rows, int64_t cols) {
    void* data = nullptr;
    if (name.empty()) {
      data = Sinusoids(spec, rows, cols);
    } else {
      data = Allocate(rows * cols * sizeof(float));
      Copy(name, {rows, cols}, DataType::kFloat32, data);
    }
    if (!status_.ok()) return {};
    return {.data = data, .dtype = DataType::kFloat32, .rows = rows, .cols = cols};
  }

  // The weights of `parts`, each [rows, cols], stacked, and so their biases if the model has them.
  LinearWeights Stack(const std::vector<Part>& parts, int64_t cols) {
    LinearWeights linear = {.weight = StackMatrix(parts, cols), .bias = {}};
    if (biases_) linear.bias = StackBiases(parts);
    return linear;
  }

  LinearWeights Linear(const std::string& name, int64_t rows, int64_t cols) {
    return Stack({{name, rows}}, cols);
  }

  NormWeights Norm(const std::string& name, int64_t width) {
    NormWeights norm = {.weight = Float32(name, {width}), .bias = {}};
    if (biases_) norm.bias = Float32(BiasName(name), {width});
    return norm;
  }

  Vector Float32(const std::string& name, const std::vector<int64_t>& shape) {
    if (name.empty()) return {};
    int64_t size = 1;
    for (const int64_t dimension : shape) size *= dimension;
    void* data = Allocate(kernels::Padded(size) * sizeof(float));
    Copy(name, shape, DataType::kFloat32, data);
    if (!status_.ok()) return {};
    return {.data = static_cast<float*>(data), .size = size, .padded = true};
  }

 private:
  Matrix StackMatrix(const std::vector<Part>& parts, int64_t cols) {
    if (dtype_ == DataType::kInt8) return StackInt8(parts, cols);
    int64_t rows = 0;
    for (const Part& part : parts) rows += part.rows;
    const size_t row_bytes = cols * kernels::SizeOf(dtype_);
    char* data = static_cast<char*>(Allocate(kernels::Padded(rows) * row_bytes));
    char* next = data;
    for (const Part& part : parts) {
      Copy(part.name, {part.rows, cols}, dtype_, next);
      next += part.rows * row_bytes;
    }
    if (!status_.ok()) return {};
    return {.data = data, .dtype = dtype_, .rows = rows, .cols = cols, .padded = true};
  }

  Matrix StackInt8(const std::vector<Part>& parts, int64_t cols) {
    int64_t rows = 0;
    for (const Part& part : parts) rows += part.rows;
    int8_t* const numbers = static_cast<int8_t*>(Allocate(rows * cols));
    float* const scales = static_cast<float*>(Allocate(rows * sizeof(float)));
    int32_t* const sums = static_cast<int32_t*>(Allocate(rows * sizeof(int32_t)));
    int64_t done = 0;
    for (const Part& part : parts) {
      Quantize(part, cols, [&](int64_t row, const int8_t* quantized, Int8Row is) {
        memory_.Copy(numbers + (done + row) * cols, quantized, cols);
        memory_.Copy(scales + done + row, &is.scale, sizeof(float));
        memory_.Copy(sums + done + row, &is.sum, sizeof(int32_t));
      });
      done += part.rows;
    }
    if (!status_.ok()) return {};
    return {.data = numbers,
            .dtype = DataType::kInt8,
            .rows = rows,
            .cols = cols,
            .scales = scales,
            .sums = sums};
  }

  // Calls put(row, numbers, scale and sum) for every row of a part.
  template <typename Put>
  void Quantize(const Part& part, int64_t cols, const Put& put) {
    if (!status_.ok()) return;
    const absl::StatusOr<TensorView> tensor = source_.Find(part.name, {part.rows, cols});
    if (!tensor.ok()) {
      status_ = tensor.status();
      return;
    }
    std::vector<float> row(cols);
    std::vector<int8_t> numbers(cols);
    const size_t row_bytes = cols * kernels::SizeOf(tensor->dtype);
    for (int64_t i = 0; i < part.rows; ++i) {
      Convert(static_cast<const char*>(tensor->data) + i * row_bytes, tensor->dtype, row.data(),
              DataType::kFloat32, cols);
      if (HasNonFinite(row.data(), DataType::kFloat32, cols)) {
        NotFinite(part.name, DataType::kFloat32, i * cols);
        return;
      }
      put(i, numbers.data(), QuantizeRow(row.data(), numbers.data(), cols));
    }
  }

  void NotFinite(const std::string& name, DataType type, size_t element) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat(source_.Origin(name), ": tensor ", name, " has a value that is not finite in ",
                     kernels::Name(type), " behind element ", element));
  }

  Vector StackBiases(const std::vector<Part>& parts) {
    int64_t size = 0;
    for (const Part& part : parts) size += part.rows;
    float* data = static_cast<float*>(Allocate(kernels::Padded(size) * sizeof(float)));
    float* next = data;
    for (const Part& part : parts) {
      Copy(BiasName(part.name), {part.rows}, DataType::kFloat32, next);
      next += part.rows;
    }
    if (!status_.ok()) return {};
    return {.data = data, .size = size, .padded = true};
  }

  void* Sinusoids(const PositionSpec& spec, int64_t rows, int64_t cols) {
    const size_t row_bytes = cols * sizeof(float);
    char* data = static_cast<char*>(Allocate(rows * row_bytes));
    std::vector<float> values(cols);
    for (int64_t row = 0; row < rows && status_.ok(); ++row) {
      FillSinusoid(spec.kind, row, absl::MakeSpan(values));
      if (spec.skips_padding && row == spec.offset - 1) std::fill(values.begin(), values.end(), 0);
      memory_.Copy(data + row * row_bytes, values.data(), row_bytes);
    }
    return data;
  }

  void* Allocate(size_t bytes) {
    if (!status_.ok()) return nullptr;
    void* data = memory_.Allocate(bytes);
    if (data == nullptr) {
      status_ = absl::ResourceExhaustedError(absl::StrCat("no memory for weights: ", bytes,
                                                          " bytes more were needed, ",
                                                          memory_.left(), " are left"));
    }
    return data;
  }

  void Copy(const std::string& name, const std::vector<int64_t>& shape, DataType type, void* to) {
    if (!status_.ok()) return;
    const absl::StatusOr<TensorView> tensor = source_.Find(name, shape);
    if (!tensor.ok()) {
      status_ = tensor.status();
      return;
    }
    size_t count = 1;
    for (const int64_t dimension : shape) count *= dimension;
    const size_t size = kernels::SizeOf(type);
    std::atomic<size_t> spoiled = count;
    memory_.Write(to, count * size, [&](void* out, size_t begin, size_t bytes) {
      ReadParallel(*tensor, type, begin / size, bytes / size, static_cast<char*>(out), &spoiled);
    });
    if (spoiled < count) NotFinite(name, type, spoiled.load());
  }

  const TensorSource& source_;
  const DataType dtype_;
  const bool biases_;
  kernels::Memory& memory_;
  absl::Status status_;
  Progress progress_{Clock::now()};
  int32_t layers_ = 0;
};

LayerWeights LoadLayer(const ModelSpec& spec, const StackSpec& stack, const LayerTensorNames& names,
                       Loader* loader) {
  const int64_t d = spec.d_model;
  const int64_t inner = stack.inner_size();
  const int64_t kv = stack.kv_size();
  const int64_t ffn = stack.ffn_size;
  LayerWeights layer;
  layer.self_norm = loader->Norm(names.self_norm, d);
  layer.self_qkv =
      loader->Stack({{names.self_q, inner}, {names.self_k, kv}, {names.self_v, kv}}, d);
  layer.self_out = loader->Linear(names.self_o, d, inner);
  layer.relative_bias =
      loader->Float32(names.relative_bias, {stack.relative_positions.num_buckets, stack.num_heads})
          .data;
  if (!names.cross_q.empty()) {
    layer.cross_norm = loader->Norm(names.cross_norm, d);
    layer.cross_query = loader->Linear(names.cross_q, inner, d);
    layer.cross_out = loader->Linear(names.cross_o, d, inner);
  }
  layer.ffn_norm = loader->Norm(names.ffn_norm, d);
  layer.ffn_in = spec.gated_ffn ? loader->Stack({{names.ffn_gate, ffn}, {names.ffn_up, ffn}}, d)
                                : loader->Linear(names.ffn_up, ffn, d);
  layer.ffn_out = loader->Linear(names.ffn_down, d, ffn);
  return layer;
}

// All but the embedding.
StackWeights LoadStack(const ModelSpec& spec, const StackSpec& stack, const StackTensorNames& names,
                       int32_t max_positions, Loader* loader) {
  StackWeights weights;
  if (spec.positions.kind != PositionKind::kNone) {
    weights.positions =
        loader->Positions(names.positions, spec.positions,
                          int64_t{spec.positions.offset} + max_positions, spec.d_model);
  }
  weights.embedding_norm = loader->Norm(names.embedding_norm, spec.d_model);
  for (const LayerTensorNames& layer_names : names.layers) {
    weights.layers.push_back(LoadLayer(spec, stack, layer_names, loader));
    if (layer_names.relative_bias.empty()) {
      weights.layers.back().relative_bias = weights.layers.front().relative_bias;
    }
    loader->EndLayer(spec.encoder.num_layers + spec.decoder.num_layers);
  }
  weights.norm = loader->Norm(names.norm, spec.d_model);
  return weights;
}

LinearWeights LoadCrossKv(const ModelSpec& spec, const std::vector<LayerTensorNames>& names,
                          Loader* loader) {
  const int64_t kv = spec.decoder.kv_size();
  std::vector<Part> parts;
  for (const LayerTensorNames& layer : names) {
    parts.push_back({layer.cross_k, kv});
    parts.push_back({layer.cross_v, kv});
  }
  return loader->Stack(parts, spec.d_model);
}

}  // namespace

absl::StatusOr<ModelWeights> LoadWeights(const Checkpoint& checkpoint, DataType dtype,
                                         kernels::Memory* memory) {
  const ModelSpec& spec = checkpoint.spec();
  const TensorNames& names = checkpoint.names();
  Loader loader(checkpoint.tensors(), dtype, spec.biases, memory);
  const Matrix target = loader.Table(names.decoder.embedding, spec.vocab_size, spec.d_model);
  const Matrix source =
      names.encoder.embedding == names.decoder.embedding
          ? target
          : loader.Table(names.encoder.embedding, spec.source_vocab_size(), spec.d_model);
  ModelWeights weights;
  weights.encoder =
      LoadStack(spec, spec.encoder, names.encoder, spec.max_source_positions, &loader);
  weights.encoder.embedding = source;
  weights.decoder =
      LoadStack(spec, spec.decoder, names.decoder, spec.max_target_positions, &loader);
  weights.decoder.embedding = target;
  weights.cross_kv = LoadCrossKv(spec, names.decoder.layers, &loader);
  weights.output.weight = names.output == names.decoder.embedding
                              ? target
                              : loader.Table(names.output, spec.vocab_size, spec.d_model);
  weights.output.bias = loader.Float32(names.output_bias, {1, spec.vocab_size});
  if (!loader.status().ok()) return loader.status();
  return weights;
}

}  // namespace transept
