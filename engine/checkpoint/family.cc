#include "engine/checkpoint/family.h"

#include <string>

#include "absl/strings/str_join.h"

namespace transept {
namespace {

constexpr const Family* kFamilies[] = {&kT5,     &kMt5,    &kUmt5,    &kBart,   &kMbart,
                                       &kMarian, &kM2m100, &kPegasus, &kPlbart, &kBlenderbot};

}  // namespace

const Family* FindFamily(std::string_view model_type) {
  for (const Family* const family : kFamilies) {
    if (family->model_type == model_type) return family;
  }
  return nullptr;
}

std::string SupportedModelTypes() {
  return absl::StrJoin(kFamilies, ", ", [](std::string* out, const Family* family) {
    out->append(family->model_type);
  });
}

}  // namespace transept
