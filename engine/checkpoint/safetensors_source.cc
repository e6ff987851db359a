#include "engine/checkpoint/safetensors_source.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/json/json.h"

namespace transept {
namespace {

constexpr JsonLimits kIndexLimits = {.max_bytes = 32 << 20, .max_depth = 8, .max_values = 1 << 20};

std::optional<kernels::DataType> ToDataType(std::string_view dtype) {
  if (dtype == "F32") return kernels::DataType::kFloat32;
  if (dtype == "BF16") return kernels::DataType::kBFloat16;
  if (dtype == "F16") return kernels::DataType::kFloat16;
  return std::nullopt;
}

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status TensorError(const std::string& file, const std::string& tensor,
                         const std::string& message) {
  return absl::InvalidArgumentError(
      absl::StrCat(file, ": tensor ", Printable(tensor), ": ", message));
}

// A name that stays within its folder.
bool IsPlainFileName(const std::string& name) {
  constexpr std::string_view kForbidden("/\0", 2);
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(kForbidden) == std::string::npos;
}

absl::Status NoSafetensors(const std::string& folder) {
  for (const char* name : {"/pytorch_model.bin", "/pytorch_model.bin.index.json"}) {
    if (!PathExists(folder + name)) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        folder, name,
        ": only safetensors files are read. To convert: python3 -c \"from transformers import "
        "AutoModelForSeq2SeqLM as M; M.from_pretrained('",
        folder, "').save_pretrained('", folder, "')\""));
  }
  return absl::NotFoundError(
      absl::StrCat(folder, ": neither model.safetensors nor model.safetensors.index.json"));
}

}  // namespace

absl::StatusOr<ShardIndex> ParseShardIndex(std::string_view text, const std::string& file) {
  const absl::StatusOr<JsonDocument> json = JsonDocument::Parse(text, file, kIndexLimits);
  if (!json.ok()) return json.status();
  const JsonView weight_map = (*json)["weight_map"];
  if (absl::Status status = weight_map.ExpectObject(); !status.ok()) return status;
  ShardIndex index;
  for (const std::string& name : weight_map.Keys()) {
    absl::StatusOr<std::string> shard = weight_map[name].AsString();
    if (!shard.ok()) return shard.status();
    if (!IsPlainFileName(*shard)) {
      return weight_map[name].Error("must be the name of a file in the same folder");
    }
    index.emplace(name, *std::move(shard));
  }
  return index;
}

absl::StatusOr<std::unique_ptr<SafetensorsSource>> SafetensorsSource::Open(
    const std::string& folder) {
  std::unique_ptr<SafetensorsSource> source(new SafetensorsSource);
  absl::Status status;
  if (const std::string path = folder + "/model.safetensors"; PathExists(path)) {
    source->origin_ = path;
    status = source->AddFile(path);
  } else {
    status = source->AddShards(folder);
  }
  if (status.ok()) status = source->ChooseStoredDtype();
  if (!status.ok()) return status;
  return source;
}

absl::Status SafetensorsSource::AddFile(const std::string& path) {
  const absl::StatusOr<std::shared_ptr<const MappedFile>> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  absl::StatusOr<SafetensorsHeader> header = ParseSafetensorsHeader((*file)->bytes(), path);
  if (!header.ok()) return header.status();
  for (auto& [name, entry] : *header) {
    const auto [it, added] = tensors_.try_emplace(name, Tensor{*file, std::move(entry)});
    if (!added) return TensorError(path, name, "is in " + it->second.file->path() + " too");
  }
  return absl::OkStatus();
}

absl::Status SafetensorsSource::AddShards(const std::string& folder) {
  origin_ = folder + "/model.safetensors.index.json";
  if (!PathExists(origin_)) return NoSafetensors(folder);
  const absl::StatusOr<std::string> text = ReadBoundedFile(origin_, kIndexLimits.max_bytes);
  if (!text.ok()) return text.status();
  const absl::StatusOr<ShardIndex> index = ParseShardIndex(*text, origin_);
  if (!index.ok()) return index.status();
  std::set<std::string> shards;
  for (const auto& [name, shard] : *index) shards.insert(shard);
  for (const std::string& shard : shards) {
    absl::Status status = AddFile(absl::StrCat(folder, "/", shard));
    if (absl::IsNotFound(status)) {
      return absl::InvalidArgumentError(
          absl::StrCat(origin_, ": weight_map names ", Printable(shard), ", which does not exist"));
    }
    if (!status.ok()) return status;
  }
  return CheckAgainst(*index, folder);
}

absl::Status SafetensorsSource::CheckAgainst(const ShardIndex& index,
                                             const std::string& folder) const {
  for (const auto& [name, shard] : index) {
    const auto it = tensors_.find(name);
    if (it == tensors_.end()) {
      return TensorError(origin_, name, "is not in " + Printable(shard) + ", nor in another shard");
    }
    const std::string& path = it->second.file->path();
    if (path != absl::StrCat(folder, "/", shard)) {
      return TensorError(origin_, name, "is not in " + Printable(shard) + " but in " + path);
    }
  }
  for (const auto& [name, tensor] : tensors_) {
    if (index.count(name) == 0) {
      return TensorError(tensor.file->path(), name, "is not in " + origin_);
    }
  }
  return absl::OkStatus();
}

absl::Status SafetensorsSource::ChooseStoredDtype() {
  std::map<kernels::DataType, size_t> elements;
  for (const auto& [name, tensor] : tensors_) {
    const std::optional<kernels::DataType> dtype = ToDataType(tensor.entry.dtype);
    if (dtype) elements[*dtype] += (tensor.entry.end - tensor.entry.begin) / SizeOf(*dtype);
  }
  if (elements.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(origin_, ": no tensor is F32, BF16 or F16"));
  }
  const auto most =
      std::max_element(elements.begin(), elements.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  stored_dtype_ = most->first;
  return absl::OkStatus();
}

bool SafetensorsSource::Contains(const std::string& name) const {
  return tensors_.count(name) != 0;
}

std::string SafetensorsSource::Origin(const std::string& name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? origin_ : it->second.file->path();
}

absl::StatusOr<TensorView> SafetensorsSource::Find(const std::string& name,
                                                   absl::Span<const int64_t> shape) const {
  const auto it = tensors_.find(name);
  if (it == tensors_.end()) {
    return absl::NotFoundError(absl::StrCat(origin_, ": tensor ", Printable(name),
                                            ": missing; expected with shape ", ShapeText(shape)));
  }
  const auto& [file, entry] = it->second;
  if (entry.shape != shape) {
    return TensorError(
        file->path(), name,
        absl::StrCat("shape is ", ShapeText(entry.shape), ": expected ", ShapeText(shape)));
  }
  const std::optional<kernels::DataType> dtype = ToDataType(entry.dtype);
  if (!dtype) {
    return TensorError(file->path(), name,
                       "dtype is " + Printable(entry.dtype) + ": expected F32, BF16 or F16");
  }
  TensorView view;
  view.data = file->bytes().data() + entry.begin;
  view.dtype = *dtype;
  view.shape = entry.shape;
  view.storage = std::shared_ptr<const void>(
      view.data, [file = file, begin = entry.begin, size = entry.end - entry.begin](const void*) {
        file->DropPages(begin, size);
      });
  return view;
}

}  // namespace transept
