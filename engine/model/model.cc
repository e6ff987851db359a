#include "engine/model/model.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/types/clock.h"

namespace transept {
namespace {

// The CPU's operations read gate and up projection from their own scratch memory.
BufferLayout LayoutOf(const ModelOptions& options) {
  if (options.device == Device::kCpu) return {};
  return {.dtype = options.dtype, .gate_up = true};
}

// On a GPU there is room for the K/V of several layers when a few sources are encoded.
int64_t CrossScratchRows(const ModelOptions& options) {
  constexpr int32_t kForFewSources = 4096;
  if (options.device == Device::kCpu) return options.max_encoder_tokens;
  return std::max(options.max_encoder_tokens, kForFewSources);
}

AttentionSpec SpecOf(AttentionType type, const StackSpec& stack, const ModelOptions& options) {
  const bool cached = type != AttentionType::kEncoderOnly;
  const bool biased = type != AttentionType::kEncoderDecoder;
  return {.type = type,
          .head_size = stack.head_size,
          .num_heads = stack.num_heads,
          .num_kv_heads = stack.num_kv_heads,
          .dtype = LayoutOf(options).dtype,
          .kv_cache_dtype = options.kv_dtype,
          .block_size = cached ? options.block_size : 0,
          .has_bias = biased && stack.relative_positions.num_buckets > 0,
          .scale = stack.attention_scale};
}

// One layer's pages and a spare block; null data when the memory ends.
kernels::PagedKv AllocateCache(const StackSpec& stack, const ModelOptions& options,
                               kernels::Memory* memory) {
  const int64_t num_blocks = int64_t{options.num_blocks} + 1;
  const size_t bytes = num_blocks * PageOf(stack, options).page_bytes() / 2;  // keys, or values
  return {.keys = memory->Allocate(bytes),
          .values = memory->Allocate(bytes),
          .dtype = options.kv_dtype,
          .num_blocks = num_blocks,
          .block_size = options.block_size,
          .num_kv_heads = stack.num_kv_heads,
          .head_size = stack.head_size};
}

// Selects the backend for `type`, notes its name and why better ones are passed over, and makes the
// layer.
template <typename Layer>
absl::StatusOr<Layer> MakeLayer(AttentionType type, const StackSpec& stack,
                                const ModelOptions& options, std::vector<std::string>* names,
                                std::set<std::string>* passed_over) {
  const AttentionSpec spec = SpecOf(type, stack, options);
  const absl::StatusOr<const AttentionBackend*> backend =
      SelectBackend(spec, options.device, options.attention_backend, passed_over);
  if (!backend.ok()) return backend.status();
  names->emplace_back((*backend)->name());
  return Layer::Create(spec, **backend);
}

int64_t Mib(size_t bytes) {
  return static_cast<int64_t>(bytes >> 20);
}

}  // namespace

KvCacheSpec PageOf(const StackSpec& decoder, const ModelOptions& options) {
  return {.block_size = options.block_size,
          .num_kv_heads = decoder.num_kv_heads,
          .head_size = decoder.head_size,
          .dtype = options.kv_dtype};
}

absl::StatusOr<std::unique_ptr<Model>> Model::Load(const Checkpoint& checkpoint,
                                                   const ModelOptions& options,
                                                   kernels::Memory* memory) {
  std::unique_ptr<Model> model(new Model(checkpoint.spec(), options));
  const TimePoint start = Clock::now();
  const size_t before = memory->left();
  absl::StatusOr<ModelWeights> weights = LoadWeights(checkpoint, options.dtype, memory);
  if (!weights.ok()) return weights.status();
  model->weights_ = *std::move(weights);
  memory->Flush();
  spdlog::info("read {} MiB of weights in {:.1f} s", Mib(before - memory->left()),
               Milliseconds(Clock::now() - start) / 1000);
  absl::Status status = model->AllocateBuffers(memory);
  if (status.ok()) status = model->AllocateCaches(memory);
  if (status.ok()) status = model->BuildPrograms();
  memory->Flush();
  if (!status.ok()) return status;
  return model;
}

absl::Status Model::AllocateBuffers(kernels::Memory* memory) {
  const BufferLayout layout = LayoutOf(options_);
  encoder_buffers_ =
      AllocateStackBuffers(spec_, spec_.encoder, options_.max_encoder_tokens, layout, memory);
  decoder_buffers_ =
      AllocateStackBuffers(spec_, spec_.decoder, options_.max_decoder_tokens, layout, memory);
  cross_scratch_.rows = CrossScratchRows(options_);
  cross_scratch_.data = AllocateActivations(cross_scratch_.rows, 2 * spec_.decoder.kv_size(),
                                            kernels::Extent::kTokens, layout.dtype, memory);
  const auto allocate_rows = [&](int64_t width, kernels::DataType dtype) {
    return AllocateActivations(options_.max_rows, width, kernels::Extent::kRows, dtype, memory);
  };
  outputs_.hidden = allocate_rows(spec_.d_model, kernels::DataType::kFloat32);
  outputs_.normed = allocate_rows(spec_.d_model, layout.dtype);
  outputs_.logits = allocate_rows(spec_.vocab_size, kernels::DataType::kFloat32);

  bool complete = cross_scratch_.data.data && outputs_.hidden.data && outputs_.normed.data &&
                  outputs_.logits.data;
  for (const StackBuffers* buffers : {&encoder_buffers_, &decoder_buffers_}) {
    complete &= buffers->hidden.data && buffers->normed.data && buffers->qkv.data &&
                buffers->attention.data && buffers->ffn.data;
    complete &= !(spec_.gated_ffn && layout.gate_up) || buffers->gate_up.data;
  }
  if (complete) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("no memory for the buffers of ", options_.max_encoder_tokens,
                   " encoder tokens, ", options_.max_decoder_tokens, " decoder tokens and ",
                   options_.max_rows, " rows: ", Mib(memory->left()), " MiB are left"));
}

absl::Status Model::AllocateCaches(kernels::Memory* memory) {
  const size_t block_bytes =
      PageOf(spec_.decoder, options_).page_bytes() * spec_.decoder.num_layers;
  const size_t left = memory->left();
  const int64_t fitting = static_cast<int64_t>(left / block_bytes) - 1;  // with a spare one
  if (options_.fit_blocks && fitting < options_.num_blocks) {
    options_.num_blocks = static_cast<int32_t>(std::max<int64_t>(fitting, 1));
  }
  bool complete = fitting >= options_.num_blocks;
  for (int32_t i = 0; complete && i < spec_.decoder.num_layers; ++i) {
    caches_.push_back(AllocateCache(spec_.decoder, options_, memory));
    complete = caches_.back().keys && caches_.back().values;
  }
  if (complete) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("no memory for ", options_.num_blocks,
                                                   " K/V blocks of ", block_bytes,
                                                   " bytes: ", Mib(left), " MiB are left"));
}

absl::Status Model::BuildPrograms() {
  std::set<std::string> passed_over;
  const auto encoder = MakeLayer<EncoderOnlyAttention>(AttentionType::kEncoderOnly, spec_.encoder,
                                                       options_, &backend_names_, &passed_over);
  if (!encoder.ok()) return encoder.status();
  const auto self = MakeLayer<DecoderSelfAttention>(AttentionType::kDecoder, spec_.decoder,
                                                    options_, &backend_names_, &passed_over);
  if (!self.ok()) return self.status();
  const auto cross = MakeLayer<CrossAttention>(AttentionType::kEncoderDecoder, spec_.decoder,
                                               options_, &backend_names_, &passed_over);
  if (!cross.ok()) return cross.status();
  if (!passed_over.empty()) {
    spdlog::info("attention backends passed over: {}", absl::StrJoin(passed_over, "; "));
  }
  encoder_ = BuildEncoder(spec_, weights_, *encoder, encoder_buffers_, caches_, cross_scratch_);
  decoder_ = BuildDecoder(spec_, weights_, DecoderAttention{*self, *cross}, decoder_buffers_,
                          caches_, outputs_);
  AppendHead(spec_, weights_, decoder_buffers_.hidden, outputs_, &head_);
  return absl::OkStatus();
}

}  // namespace transept
