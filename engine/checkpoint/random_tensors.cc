#include "engine/checkpoint/random_tensors.h"

#include <cmath>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/checkpoint/family.h"
#include "engine/json/json.h"
#include "engine/types/require.h"

namespace transept {
namespace {

using kernels::DataType;

// Uniform on mean ± √3 * deviation.
struct Distribution {
  float mean = 0.0f;
  float deviation = 0.0f;
};

using Distributions = std::unordered_map<std::string, Distribution>;

uint32_t Mix(uint32_t x) {
  x ^= x >> 16;
  x *= 0x85ebca6bu;
  x ^= x >> 13;
  x *= 0xc2b2ae35u;
  return x ^ (x >> 16);
}

// A number that depends on all of `seed` and `name`, the same on every machine (FNV-1a).
uint64_t KeyOf(uint64_t seed, std::string_view name) {
  uint64_t key = 0xcbf29ce484222325u ^ seed;
  for (const char c : name) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return key;
}

// Element types of the weights. The narrow ones cut off what does not fit: numbers that are random
// need no rounding.
uint32_t Bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
struct Float32 {
  using Storage = float;
  static float From(float value) { return value; }
};
struct BFloat16 {
  using Storage = uint16_t;
  static uint16_t From(float value) { return static_cast<uint16_t>(Bits(value) >> 16); }
};
struct Float16 {
  using Storage = uint16_t;
  static uint16_t From(float value) {
    const uint32_t magnitude = Bits(value) & 0x7fffffffu;
    const uint32_t sign = (Bits(value) >> 16) & 0x8000u;
    // The exponent's bias is 127 in a float32 and 15 here. What would be subnormal becomes 0.
    constexpr uint32_t kBiasDifference = (127u - 15u) << 23;
    constexpr uint32_t kSmallestNormal = kBiasDifference + (1u << 23);
    const uint32_t half = magnitude < kSmallestNormal ? 0 : (magnitude - kBiasDifference) >> 13;
    return static_cast<uint16_t>(sign | half);
  }
};

// Element i depends on `key` and i alone. Simple enough for the compiler to vectorise.
template <typename Type>
void Fill(uint64_t key, Distribution distribution, size_t count, void* out) {
  typename Type::Storage* const elements = static_cast<typename Type::Storage*>(out);
  const float scale = distribution.deviation * std::sqrt(3.0f) * 0x1p-31f;
  // 32-bit counters in blocks, with a key of its own for each.
  constexpr size_t kBlock = size_t{1} << 20;
  for (size_t begin = 0; begin < count; begin += kBlock) {
    const uint32_t block = static_cast<uint32_t>(begin / kBlock);
    const uint32_t block_key =
        Mix(static_cast<uint32_t>(key >> 32) ^ Mix(block)) ^ static_cast<uint32_t>(key);
    const uint32_t size = static_cast<uint32_t>(std::min(kBlock, count - begin));
    for (uint32_t i = 0; i < size; ++i) {
      const int32_t number = static_cast<int32_t>(Mix(i * 0x9e3779b9u + block_key));
      elements[begin + i] = Type::From(distribution.mean + static_cast<float>(number) * scale);
    }
  }
}

class RandomTensors : public TensorSource {
 public:
  RandomTensors(Distributions distributions, DataType dtype, uint64_t seed)
      : distributions_(std::move(distributions)), dtype_(dtype), seed_(seed) {}

  bool Contains(const std::string& name) const override { return distributions_.count(name) != 0; }

  std::string Origin(const std::string&) const override { return "random tensors"; }

  absl::StatusOr<TensorView> Find(const std::string& name,
                                  absl::Span<const int64_t> shape) const override {
    const auto it = distributions_.find(name);
    if (it == distributions_.end()) {
      return absl::NotFoundError(absl::StrCat("random tensors: no tensor ", Printable(name)));
    }
    size_t count = 1;
    for (const int64_t extent : shape) count *= static_cast<size_t>(extent);
    const std::shared_ptr<std::byte[]> buffer(new std::byte[count * SizeOf(dtype_)]);
    const uint64_t key = KeyOf(seed_, name);
    switch (dtype_) {
      case DataType::kFloat32: Fill<Float32>(key, it->second, count, buffer.get()); break;
      case DataType::kBFloat16: Fill<BFloat16>(key, it->second, count, buffer.get()); break;
      case DataType::kFloat16: Fill<Float16>(key, it->second, count, buffer.get()); break;
      case DataType::kInt8: return absl::InvalidArgumentError("random tensors: none in int8");
    }
    return TensorView{.data = buffer.get(),
                      .dtype = dtype_,
                      .shape = std::vector<int64_t>(shape.begin(), shape.end()),
                      .storage = buffer};
  }

 private:
  // Constant after construction.
  const Distributions distributions_;
  const DataType dtype_;
  const uint64_t seed_;
};

float InverseRoot(int64_t n) {
  return 1.0f / std::sqrt(static_cast<float>(n));
}

void AddStack(const ModelSpec& spec, const StackSpec& stack, const StackTensorNames& names,
              Distributions& all) {
  const Distribution norm = {.mean = 1.0f, .deviation = 0.1f};
  const Distribution from_model = {.deviation = InverseRoot(spec.d_model)};
  const Distribution from_heads = {.deviation = InverseRoot(stack.inner_size())};
  const Distribution from_ffn = {.deviation = InverseRoot(stack.ffn_size)};
  // Scores are q·k * attention_scale: of order 1 when the query makes up for what the scale leaves.
  const float score_deviation = stack.attention_scale * std::sqrt(float(stack.head_size));
  const Distribution query = {.deviation = InverseRoot(spec.d_model) / score_deviation};
  all[names.embedding] = {.deviation = 1.0f};
  all[names.positions] = {.deviation = 0.5f};
  all[names.embedding_norm] = all[names.norm] = norm;
  for (const LayerTensorNames& layer : names.layers) {
    all[layer.self_norm] = all[layer.cross_norm] = all[layer.ffn_norm] = norm;
    all[layer.self_q] = all[layer.cross_q] = query;
    all[layer.self_k] = all[layer.cross_k] = from_model;
    all[layer.self_v] = all[layer.cross_v] = from_model;
    all[layer.self_o] = all[layer.cross_o] = from_heads;
    all[layer.relative_bias] = from_model;
    all[layer.ffn_gate] = all[layer.ffn_up] = from_model;
    all[layer.ffn_down] = from_ffn;
  }
}

Distributions DistributionsOf(const ModelSpec& spec, const TensorNames& names) {
  Distributions all;
  AddStack(spec, spec.encoder, names.encoder, all);
  AddStack(spec, spec.decoder, names.decoder, all);
  if (spec.biases) {
    for (const auto& [name, distribution] : Distributions(all)) {
      all[BiasName(name)] = {.deviation = 0.1f};
    }
  }
  if (names.output != names.decoder.embedding) {
    all[names.output] = {.deviation = InverseRoot(spec.d_model)};
  }
  all[names.output_bias] = {.deviation = 0.1f};
  all.erase("");  // tensors that the model does not have
  return all;
}

}  // namespace

std::unique_ptr<Checkpoint> RandomCheckpoint(ModelSpec spec, DataType dtype, uint64_t seed) {
  const Family* const family = FindFamily(spec.family);
  Require(family != nullptr, "RandomCheckpoint: unknown family");
  spec.stored_dtype = dtype;
  TensorNames names = family->name_tensors(spec);
  auto tensors = std::make_unique<RandomTensors>(DistributionsOf(spec, names), dtype, seed);
  return std::make_unique<Checkpoint>("random", std::move(spec), GenerationOptions(),
                                      std::move(names), std::move(tensors));
}

}  // namespace transept
