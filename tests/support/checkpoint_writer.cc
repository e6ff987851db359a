#include "tests/support/checkpoint_writer.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/random_tensors.h"
#include "engine/types/require.h"

namespace transept::test {
namespace {

using kernels::ActivationFunction;
using kernels::DataType;

const char* FileName(DataType dtype) {
  switch (dtype) {
    case DataType::kFloat32: return "F32";
    case DataType::kBFloat16: return "BF16";
    case DataType::kFloat16: return "F16";
    case DataType::kInt8: break;
  }
  return "";
}

std::string FeedForward(const ModelSpec& spec) {
  switch (spec.activation) {
    case ActivationFunction::kNone: return spec.gated_ffn ? "gated-linear" : "linear";
    case ActivationFunction::kRelu: return spec.gated_ffn ? "gated-relu" : "relu";
    // "gated-gelu" means the tanh form.
    case ActivationFunction::kGelu: return spec.gated_ffn ? "gated-gelu_python" : "gelu";
    case ActivationFunction::kGeluTanh: return spec.gated_ffn ? "gated-gelu" : "gelu_new";
    case ActivationFunction::kSilu: return spec.gated_ffn ? "gated-silu" : "silu";
  }
  return "";
}

// Collects the tensors of a model from a checkpoint of random ones.
class Collector {
 public:
  explicit Collector(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  void Add(const std::string& name, const std::vector<int64_t>& shape) {
    if (name.empty()) return;
    const absl::StatusOr<TensorView> view = checkpoint_.tensors().Find(name, shape);
    Require(view.ok(), "a random tensor is missing");
    size_t bytes = SizeOf(view->dtype);
    for (const int64_t extent : shape) bytes *= static_cast<size_t>(extent);
    tensors_[name] = {FileName(view->dtype), shape,
                      std::string(static_cast<const char*>(view->data), bytes)};
  }

  void AddStack(const StackSpec& stack, const std::vector<LayerTensorNames>& layers) {
    const ModelSpec& spec = checkpoint_.spec();
    const int64_t d = spec.d_model, inner = stack.inner_size(), ffn = stack.ffn_size;
    for (const LayerTensorNames& layer : layers) {
      for (const auto& norm : {layer.self_norm, layer.cross_norm, layer.ffn_norm}) Add(norm, {d});
      for (const auto& in : {layer.self_q, layer.self_k, layer.self_v}) Add(in, {inner, d});
      for (const auto& in : {layer.cross_q, layer.cross_k, layer.cross_v}) Add(in, {inner, d});
      for (const auto& out : {layer.self_o, layer.cross_o}) Add(out, {d, inner});
      Add(layer.relative_bias, {stack.relative_positions.num_buckets, stack.num_heads});
      for (const auto& in : {layer.ffn_gate, layer.ffn_up}) Add(in, {ffn, d});
      Add(layer.ffn_down, {d, ffn});
    }
  }

  FileTensors Take() { return std::move(tensors_); }

 private:
  const Checkpoint& checkpoint_;
  FileTensors tensors_;
};

void WriteFile(const std::string& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary);
  file << content;
  Require(file.good(), "cannot write a test checkpoint");
}

}  // namespace

ModelSpec TinySpec() {
  StackSpec stack;
  stack.num_layers = 2;
  stack.num_heads = 2;
  stack.num_kv_heads = 2;
  stack.head_size = 5;
  stack.ffn_size = 20;
  stack.relative_positions = {.num_buckets = 8, .max_distance = 20};
  ModelSpec spec;
  spec.family = "t5";
  spec.vocab_size = 40;
  spec.d_model = 12;
  spec.encoder = spec.decoder = stack;
  spec.activation = ActivationFunction::kGeluTanh;
  spec.gated_ffn = true;
  spec.eos_tokens = {1};
  return spec;
}

FileTensors RandomTensorsOf(const ModelSpec& spec, DataType dtype, uint64_t seed) {
  const std::unique_ptr<Checkpoint> checkpoint = RandomCheckpoint(spec, dtype, seed);
  const TensorNames& names = checkpoint->names();
  Collector collector(*checkpoint);
  for (const auto& table : {names.decoder.embedding, names.output}) {
    collector.Add(table, {spec.vocab_size, spec.d_model});
  }
  for (const auto& norm : {names.encoder.norm, names.decoder.norm}) {
    collector.Add(norm, {spec.d_model});
  }
  collector.AddStack(spec.encoder, names.encoder.layers);
  collector.AddStack(spec.decoder, names.decoder.layers);
  return collector.Take();
}

std::string SafetensorsBytes(std::string_view header, std::string_view data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes.append(header).append(data);
}

std::string SafetensorsBytes(const FileTensors& tensors) {
  std::string header = R"({"__metadata__": {"format": "pt"})";
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    absl::StrAppend(&header, ", \"", name, "\": {\"dtype\": \"", tensor.dtype, "\", \"shape\": [",
                    absl::StrJoin(tensor.shape, ", "), "], \"data_offsets\": [", data.size(), ", ",
                    data.size() + tensor.bytes.size(), "]}");
    data += tensor.bytes;
  }
  return SafetensorsBytes(header + "}", data);
}

std::string ConfigJson(const ModelSpec& spec) {
  const StackSpec& stack = spec.encoder;
  const bool scaled = spec.output_scale != 1.0f;
  return absl::StrCat(
      "{\"model_type\": \"", spec.family, "\", \"architectures\": [\"T5ForConditionalGeneration\"]",
      ", \"vocab_size\": ", spec.vocab_size, ", \"d_model\": ", spec.d_model,
      ", \"d_kv\": ", stack.head_size, ", \"d_ff\": ", stack.ffn_size,
      ", \"num_heads\": ", stack.num_heads, ", \"num_layers\": ", stack.num_layers,
      ", \"num_decoder_layers\": ", spec.decoder.num_layers,
      ", \"relative_attention_num_buckets\": ", stack.relative_positions.num_buckets,
      ", \"relative_attention_max_distance\": ", stack.relative_positions.max_distance,
      ", \"layer_norm_epsilon\": ", spec.norm_eps, ", \"feed_forward_proj\": \"", FeedForward(spec),
      "\", \"scale_decoder_outputs\": ", scaled ? "true" : "false",
      ", \"tie_word_embeddings\": true, \"is_encoder_decoder\": true, \"dropout_rate\": 0.1",
      ", \"pad_token_id\": ", spec.pad_token,
      ", \"decoder_start_token_id\": ", spec.decoder_start_token, ", \"eos_token_id\": [",
      absl::StrJoin(spec.eos_tokens, ", "), "], \"transformers_version\": \"5.17.0\"}\n");
}

void WriteCheckpoint(const ModelSpec& spec, DataType dtype, uint64_t seed,
                     const std::string& folder) {
  std::filesystem::create_directories(folder);
  WriteFile(folder + "/config.json", ConfigJson(spec));
  WriteFile(folder + "/generation_config.json",
            absl::StrCat("{\"decoder_start_token_id\": ", spec.decoder_start_token,
                         ", \"eos_token_id\": [", absl::StrJoin(spec.eos_tokens, ", "),
                         "], \"pad_token_id\": ", spec.pad_token, "}\n"));
  WriteFile(folder + "/model.safetensors", SafetensorsBytes(RandomTensorsOf(spec, dtype, seed)));
}

}  // namespace transept::test
