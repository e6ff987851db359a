// Model families as data: how each turns its config.json and tensor names into a ModelSpec and
// TensorNames. One file a family.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/config_fields.h"
#include "engine/types/model_spec.h"

namespace transept {

struct Family {
  std::string_view model_type;  // config.json's "model_type", ModelSpec::family

  // The architecture according to config.json. Errors are left in config.status() and make the
  // result meaningless. stored_dtype is not set.
  ModelSpec (*read_config)(ConfigFields& config);

  // The names that a checkpoint of `spec` usually has.
  TensorNames (*name_tensors)(const ModelSpec& spec);

  // Corrects `spec` and `names` (as name_tensors gave them) where a checkpoint's tensors have the
  // last word, such as whether the output projection is tied.
  absl::Status (*settle_tensors)(const TensorSource& tensors, ModelSpec& spec, TensorNames& names);
};

extern const Family kT5, kMt5, kUmt5;  // t5.cc; Flan-T5, ByT5 and MADLAD are "t5" by model_type
extern const Family kBart;
extern const Family kBlenderbot;
extern const Family kM2m100;  // NLLB too
extern const Family kMarian;
extern const Family kMbart;
extern const Family kPegasus;
extern const Family kPlbart;

// The family of a model_type; null when there is none.
const Family* FindFamily(std::string_view model_type);

// All model types, for messages: "t5, mt5, umt5".
std::string SupportedModelTypes();

}  // namespace transept
