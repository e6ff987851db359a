// Writes small model folders as transformers would, so that tests need no files of others.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/types/model_spec.h"
#include "kernels/dtype.h"

namespace transept::test {

// A T5 v1.1 architecture of a few thousand parameters: two layers each, gated tanh-gelu, inner
// width (2 heads of 5) unlike d_model (12), own output projection. Tests change what they like.
ModelSpec TinySpec();

// Writes config.json, generation_config.json and model.safetensors of a "t5", "mt5" or "umt5"
// `spec` to `folder`. The tensors are those of RandomCheckpoint(spec, dtype, seed). Opening the
// folder gives `spec` back.
void WriteCheckpoint(const ModelSpec& spec, kernels::DataType dtype, uint64_t seed,
                     const std::string& folder);

// The tensors that WriteCheckpoint puts into model.safetensors, for tests that want to spoil them.
struct FileTensor {
  std::string dtype;  // "F32", "BF16", ...
  std::vector<int64_t> shape;
  std::string bytes;
};
using FileTensors = std::map<std::string, FileTensor>;
FileTensors RandomTensorsOf(const ModelSpec& spec, kernels::DataType dtype, uint64_t seed);

// The bytes of a safetensors file: the tensors in order of name, without gaps.
std::string SafetensorsBytes(const FileTensors& tensors);
// The same from parts, which need not fit each other.
std::string SafetensorsBytes(std::string_view header, std::string_view data);

// The text of config.json.
std::string ConfigJson(const ModelSpec& spec);

}  // namespace transept::test
