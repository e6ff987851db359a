#include "engine/checkpoint/family.h"

#include <string>

#include "absl/strings/str_join.h"
#include "engine/checkpoint/t5.h"

namespace transept {
namespace {

// ByT5 and Flan-T5 are "t5" by model_type.
constexpr Family kFamilies[] = {
    {"t5", ReadT5Config, NameT5Tensors, SettleT5Tensors},
    {"mt5", ReadMt5Config, NameT5Tensors, SettleT5Tensors},
    {"umt5", ReadUmt5Config, NameT5Tensors, SettleT5Tensors},
};

}  // namespace

const Family* FindFamily(std::string_view model_type) {
  for (const Family& family : kFamilies) {
    if (family.model_type == model_type) return &family;
  }
  return nullptr;
}

std::string SupportedModelTypes() {
  return absl::StrJoin(kFamilies, ", ", [](std::string* out, const Family& family) {
    out->append(family.model_type);
  });
}

}  // namespace transept
