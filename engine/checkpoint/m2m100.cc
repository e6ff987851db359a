// M2M100 and NLLB: norms before the blocks, none behind the embedding, sinusoids from the row
// behind that of padding on, no bias of the logits. Transformers computes more sinusoids for longer
// texts; here max_position_embeddings is the limit, as in the other families.
#include "absl/strings/str_cat.h"
#include "engine/checkpoint/bart_layout.h"
#include "engine/checkpoint/family.h"

namespace transept {
namespace {

// The sinusoids divide by half the width less 1.
constexpr int32_t kLeastWidth = 4;

ModelSpec Read(ConfigFields& config) {
  ModelSpec spec = ReadBartLayout(
      config, {.vocab_size = 128112, .activation = "relu", .scale_embedding = true, .start = 2});
  spec.norm_placement = NormPlacement::kBefore;
  spec.embedding_norm = false;
  spec.positions = {
      .kind = PositionKind::kSinusoidFairseq, .offset = spec.pad_token + 1, .skips_padding = true};
  if (spec.d_model < kLeastWidth) {
    config.Reject("d_model", absl::StrCat("must be at least ", kLeastWidth));
  }
  return spec;
}

TensorNames NameTensors(const ModelSpec& spec) {
  TensorNames names = NameBartTensors(spec);
  names.output_bias.clear();
  return names;
}

absl::Status SettleTensors(const TensorSource& tensors, ModelSpec& spec, TensorNames& names) {
  absl::Status status = SettleBartTensors(tensors, spec, names);
  names.output_bias.clear();
  return status;
}

}  // namespace

const Family kM2m100 = {"m2m_100", Read, NameTensors, SettleTensors};

}  // namespace transept
