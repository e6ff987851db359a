// A loaded model: weights, caches and buffers in device memory, and the programs over them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/attention/backend.h"
#include "engine/cache/kv_cache_spec.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/model/decoder.h"
#include "engine/model/encoder.h"
#include "engine/model/weights.h"
#include "kernels/memory.h"
#include "kernels/operation.h"

namespace transept {

// The largest step a model is prepared for, and how it is stored.
struct ModelOptions {
  Device device = Device::kCpu;
  // Of the weight matrices; on a GPU of the activations between operations too. The CPU computes in
  // float32.
  kernels::DataType dtype = kernels::DataType::kFloat32;
  kernels::DataType kv_dtype = kernels::DataType::kFloat32;  // of the K/V pages
  std::string attention_backend = "auto";
  int32_t max_encoder_tokens = 0;  // source tokens packed in one step
  int32_t max_decoder_tokens = 0;  // query tokens in one step
  int32_t max_rows = 0;            // decoder rows in one step
  int32_t block_size = 0;
  // Of the K/V pool. With fit_blocks they are the most: a model takes as many as there is memory
  // for once it has all else.
  int32_t num_blocks = 0;
  bool fit_blocks = false;
};

// The K/V pages that one decoder layer of a model has.
KvCacheSpec PageOf(const StackSpec& decoder, const ModelOptions& options);

// Immutable after Load, but for the contents of its buffers and caches, which the programs write.
class Model {
 public:
  // Allocates everything from `memory`, which must outlive the model: first weights, then buffers,
  // then K/V blocks. RESOURCE_EXHAUSTED names what does not fit.
  static absl::StatusOr<std::unique_ptr<Model>> Load(const Checkpoint& checkpoint,
                                                     const ModelOptions& options,
                                                     kernels::Memory* memory);

  const ModelSpec& spec() const { return spec_; }
  const ModelOptions& options() const { return options_; }  // num_blocks: as many as there are
  const kernels::Program& encoder() const { return encoder_; }
  const kernels::Program& decoder() const { return decoder_; }
  // The end of decoder(), which may run again with other query offsets: see AppendHead.
  const kernels::Program& head() const { return head_; }

  // [max_encoder_tokens, d_model] after the encoder program: its output, in device memory.
  const kernels::Activations& encoder_output() const { return encoder_buffers_.normed; }
  // As large, float32: what the encoder program leaves there is not needed any more.
  const kernels::Activations& encoder_scratch() const { return encoder_buffers_.hidden; }
  // [max_rows, vocab] after the decoder program, float32 in device memory.
  const kernels::Activations& logits() const { return outputs_.logits; }
  // A block beyond those that the options ask for: what is written there is never read.
  int32_t spare_block() const { return options_.num_blocks; }
  // The names of the attention backends in use: encoder, decoder self, cross.
  const std::vector<std::string>& backend_names() const { return backend_names_; }

 private:
  Model(const ModelSpec& spec, const ModelOptions& options) : spec_(spec), options_(options) {}

  absl::Status AllocateBuffers(kernels::Memory* memory);
  absl::Status AllocateCaches(kernels::Memory* memory);
  absl::Status BuildPrograms();

  const ModelSpec spec_;
  ModelOptions options_;
  ModelWeights weights_;
  std::vector<kernels::PagedKv> caches_;  // one a decoder layer
  StackBuffers encoder_buffers_;
  StackBuffers decoder_buffers_;
  CrossScratch cross_scratch_;
  DecoderOutputs outputs_;
  kernels::Program encoder_;
  kernels::Program decoder_;
  kernels::Program head_;
  std::vector<std::string> backend_names_;
};

}  // namespace transept
