// Reads settings from YAML, strictly: an unknown key, a key given twice, a wrong type or a value
// out of range is an error that names file, line, column, setting, value and limit.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "config/config.h"

namespace transept::config {

// The settings in the YAML file at `path`, with the defaults of config/config.h for what it leaves
// out. The result may lack what flags can add: call Validate when all sources have been applied.
absl::StatusOr<Config> Load(const std::string& path);

// The same for YAML text; `file` stands in error messages. The text is treated as hostile: at most
// 256 KiB, 16 levels and 10,000 values, no anchors, aliases or second document.
absl::StatusOr<Config> Parse(std::string_view text, std::string_view file);

// Sets one setting by its dotted path, such as "server.listen" or "models.engine.device" ("models"
// speaks of the first model and creates it when there is none). `value` is what would stand in
// the file: lists, maps and null as YAML, all else as it is, without quoting. On error `config` is
// unchanged.
absl::Status Override(std::string_view setting, std::string_view value, Config* config);

// What only the complete settings can show: exactly one model, with a folder, and an engine whose
// settings fit each other whatever the model is.
absl::Status Validate(const Config& config);
absl::Status Validate(const EngineConfig& config);

// The settings as a YAML file that documents each of them, ranges included. Parse reads it back to
// an equal Config.
std::string ToYaml(const Config& config);

}  // namespace transept::config
