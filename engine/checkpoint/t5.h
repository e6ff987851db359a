// The T5 family: T5, T5 v1.1, Flan-T5, ByT5 ("t5"), mT5 ("mt5") and UMT5 ("umt5").
//
// Follows transformers 5.17, also in what differs from transformers 4:
//                            t5                        mt5      umt5
//   relative position bias   first layer's, shared     as t5    one in each layer
//   output scaled by         if scale_decoder_outputs  never    always
//     1/√d_model             (*)
// (*) Absent from files of transformers 4, which say the same with tie_word_embeddings: unscaled if
// it is false. The flag says nothing about the tensors: the output projection is lm_head.weight if
// there is one, else the embedding.
#pragma once

#include "absl/status/status.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/config_fields.h"
#include "engine/types/model_spec.h"

namespace transept {

// Members of Family (engine/checkpoint/family.h).
ModelSpec ReadT5Config(ConfigFields& config);
ModelSpec ReadMt5Config(ConfigFields& config);
ModelSpec ReadUmt5Config(ConfigFields& config);
TensorNames NameT5Tensors(const ModelSpec& spec);
absl::Status SettleT5Tensors(const TensorSource& tensors, ModelSpec& spec, TensorNames& names);

}  // namespace transept
