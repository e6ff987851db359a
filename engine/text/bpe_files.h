// The vocabulary and the merges of a BPE model as files have them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/json/json.h"
#include "engine/text/bpe_model.h"

namespace transept {

// The "model" of a tokenizer.json, where its type is BPE. Errors name file, field and value.
absl::StatusOr<BpeModel::Options> ReadBpeJson(const JsonView& model);

// vocab.json, and the bytes of merges.txt with its path for messages. Characters without a piece
// are dropped. Errors name the file, and the field or the line.
absl::StatusOr<BpeModel::Options> ReadBpeFiles(const JsonDocument& vocab,
                                               std::string_view merges_path,
                                               std::string_view merges);

}  // namespace transept
