// A Hugging Face model folder: architecture, generation defaults and tensors.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/types/generation.h"
#include "engine/types/model_spec.h"
#include "kernels/dtype.h"

namespace transept {

// A tensor as it lies in the file: row-major, not aligned to its element size. `data` is valid
// while this view or a copy of it lives, whatever becomes of the source. When the last copy goes,
// the memory behind it is given back (mapped pages are dropped, generated ones freed): a loader
// that keeps one view at a time needs little more memory than the weights it makes.
struct TensorView {
  const void* data = nullptr;
  kernels::DataType dtype = kernels::DataType::kFloat32;
  std::vector<int64_t> shape;
  std::shared_ptr<const void> storage;
};

// Where a model's tensors come from: files, or random numbers for benchmarks. Thread-safe.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual bool Contains(const std::string& name) const = 0;
  // The file that holds tensor `name`, for error messages.
  virtual std::string Origin(const std::string& name) const = 0;
  // Requires the exact shape: NOT_FOUND or INVALID_ARGUMENT name file, tensor, shape and
  // expectation.
  virtual absl::StatusOr<TensorView> Find(const std::string& name,
                                          absl::Span<const int64_t> shape) const = 0;
};

// The names a checkpoint gives the tensors of one layer: complete, as TensorSource::Find wants them
// ("encoder.block.0.layer.0.SelfAttention.q.weight"). Those the layer does not have are empty.
// Linear weights are [out, in]. Biases have BiasName of the weight.
//
// self_norm, cross_norm and ffn_norm are the norms whose result the self-attention, the
// cross-attention and the feed-forward block read. With NormPlacement::kAfter these belong to the
// block before; the first layer's self_norm is then that of the embedding, or empty.
struct LayerTensorNames {
  std::string self_norm, self_q, self_k, self_v, self_o;
  std::string relative_bias;                                   // embedding [num_buckets, num_heads]
  std::string cross_norm, cross_q, cross_k, cross_v, cross_o;  // decoder only
  std::string ffn_norm, ffn_gate, ffn_up, ffn_down;            // ffn_gate: gated models only
};

// Those the stack does not have are empty.
struct StackTensorNames {
  std::string embedding;       // [vocab, d_model]; may be the other stack's
  std::string positions;       // [offset + max positions, d_model]; empty where they are computed
  std::string embedding_norm;  // unless it is the first layer's self_norm
  std::vector<LayerTensorNames> layers;
  std::string norm;  // of the stack's result
};

struct TensorNames {
  StackTensorNames encoder;
  StackTensorNames decoder;
  std::string output;       // [vocab, d_model]; equals decoder.embedding when tied
  std::string output_bias;  // [1, vocab]; empty where there is none
};

// "X.bias" of "X.weight"; empty for an empty name.
std::string BiasName(const std::string& weight);

// An opened checkpoint. Immutable and thread-safe.
class Checkpoint {
 public:
  // Reads config.json, generation_config.json and the headers of the safetensors files in `folder`.
  // Every error names the file, field or tensor, and value at fault. Nothing in the folder can
  // crash the process, but for one thing that no reader of mapped files can defend against: a file
  // that is truncated after it was opened ends the process with SIGBUS when its tensors are read.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(const std::string& folder);

  // A checkpoint that exists only as data, for tests and benchmarks.
  Checkpoint(std::string folder, ModelSpec spec, GenerationOptions generation, TensorNames names,
             std::unique_ptr<TensorSource> tensors);

  const std::string& folder() const { return folder_; }
  const ModelSpec& spec() const { return spec_; }
  // Defaults from generation_config.json (or the generation fields of an older config.json).
  const GenerationOptions& generation() const { return generation_; }
  const TensorNames& names() const { return names_; }
  const TensorSource& tensors() const { return *tensors_; }

 private:
  std::string folder_;
  ModelSpec spec_;
  GenerationOptions generation_;
  TensorNames names_;
  std::unique_ptr<TensorSource> tensors_;
};

}  // namespace transept
