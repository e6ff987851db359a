#include "server/model_registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/types/errors.h"

namespace transept::server {
namespace {

constexpr size_t kMaxNames = 8;  // in a message

}  // namespace

OptionLimits LimitsOf(const Model& model) {
  OptionLimits limits;
  limits.model = &model.engine->spec();
  limits.max_new_tokens = model.config.max_new_tokens;
  limits.max_rows = model.config.max_rows;
  limits.has_tokenizer = model.tokenizer != nullptr;
  return limits;
}

absl::Status ModelRegistry::Add(Model model) {
  for (const auto& other : models_) {
    if (other->name == model.name) {
      return absl::AlreadyExistsError(absl::StrCat("there are two models named ", model.name));
    }
  }
  models_.push_back(std::make_unique<Model>(std::move(model)));
  return absl::OkStatus();
}

absl::StatusOr<const Model*> ModelRegistry::Find(std::string_view name) const {
  if (name.empty()) {
    if (models_.size() == 1) return models_.front().get();
    return FieldError("model", absl::StrCat("required: there are ", models_.size(), " models"));
  }
  for (const auto& model : models_) {
    if (model->name == name) return model.get();
  }
  return absl::NotFoundError(absl::StrCat("model: the server has ", Names(), ", none named \"",
                                          absl::string_view(name.data(), name.size()), "\""));
}

std::string ModelRegistry::Names() const {
  std::string names;
  for (size_t i = 0; i < std::min(models_.size(), kMaxNames); ++i) {
    absl::StrAppend(&names, i > 0 ? ", " : "", models_[i]->name);
  }
  return models_.size() > kMaxNames ? names + ", ..." : names;
}

}  // namespace transept::server
