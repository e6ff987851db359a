// Any bytes as the settings file: accepted settings are written and read back to the same, and each
// of them is within its limits, or the second reading would refuse it.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "config/loader.h"
#include "engine/types/require.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = transept::config::Parse(text, "settings.yaml");
  if (!config.ok()) return 0;
  const auto again = transept::config::Parse(transept::config::ToYaml(*config), "again.yaml");
  transept::Require(again.ok() && *again == *config, "settings changed on the way");
  return 0;
}
