// The tensors of a model folder: model.safetensors, or the shards that
// model.safetensors.index.json lists.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/checkpoint/mapped_file.h"
#include "engine/checkpoint/safetensors.h"
#include "kernels/dtype.h"

namespace transept {

// Which file holds each tensor, by tensor name.
using ShardIndex = std::map<std::string, std::string>;

// Reads the text of model.safetensors.index.json. A shard is named without a path: a name that
// leads out of the folder is an error. `file` names the index in errors.
absl::StatusOr<ShardIndex> ParseShardIndex(std::string_view text, const std::string& file);

class SafetensorsSource : public TensorSource {
 public:
  // FAILED_PRECONDITION, with a way out, for a folder of pytorch_model.bin alone. Index and shards
  // must agree on every tensor.
  static absl::StatusOr<std::unique_ptr<SafetensorsSource>> Open(const std::string& folder);

  bool Contains(const std::string& name) const override;
  std::string Origin(const std::string& name) const override;
  absl::StatusOr<TensorView> Find(const std::string& name,
                                  absl::Span<const int64_t> shape) const override;

  // The type that most elements are stored in.
  kernels::DataType stored_dtype() const { return stored_dtype_; }

 private:
  struct Tensor {
    std::shared_ptr<const MappedFile> file;
    SafetensorsEntry entry;
  };

  SafetensorsSource() = default;
  absl::Status AddFile(const std::string& path);
  absl::Status AddShards(const std::string& folder);
  absl::Status CheckAgainst(const ShardIndex& index, const std::string& folder) const;
  absl::Status ChooseStoredDtype();

  // Constant after Open.
  std::string origin_;  // the file that errors about missing tensors name
  std::map<std::string, Tensor> tensors_;
  kernels::DataType stored_dtype_ = kernels::DataType::kFloat32;
};

}  // namespace transept
