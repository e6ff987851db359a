// The command line of transept-server.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "config/config.h"

namespace transept::server {

struct CommandLine {
  struct Override {
    std::string setting;  // dotted path, as config::Override takes it
    std::string value;
  };

  bool help = false;
  bool version = false;
  bool check_config = false;
  std::string config_file;          // empty: none
  std::vector<Override> overrides;  // in the order given
};

// What --help prints.
std::string_view Usage();

// The arguments without the program's name. INVALID_ARGUMENT naming the one that is unknown, lacks
// its value or occurs twice.
absl::StatusOr<CommandLine> ParseCommandLine(absl::Span<const char* const> arguments);

// The settings of the file, if any, under the overrides; complete and valid.
absl::StatusOr<config::Config> ReadConfig(const CommandLine& command_line);

}  // namespace transept::server
