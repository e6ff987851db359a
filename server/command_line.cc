#include "server/command_line.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "config/loader.h"
#include "server/generation_settings.h"

namespace transept::server {
namespace {

// Flags that stand for one setting.
struct SettingFlag {
  std::string_view name;
  const char* setting;
};
constexpr SettingFlag kSettingFlags[] = {
    {"--model-dir", "models.path"},     {"--model-name", "models.name"},
    {"--listen", "server.listen"},      {"--device", "models.engine.device"},
    {"--dtype", "models.engine.dtype"},
};

constexpr std::string_view kUsage = R"(transept-server: serves an encoder-decoder model over gRPC.

  transept-server --config FILE
  transept-server --model-dir DIR [--model-name NAME] [--listen HOST:PORT]

  --config FILE      settings in YAML; the flags below override them
  --model-dir DIR    the model: a Hugging Face folder
  --model-name NAME  what requests call it (default: the folder's name)
  --listen H:P       address to serve on; port 0 takes any that is free
  --device DEVICE    cpu or cuda
  --dtype TYPE       of the weights: float32, bfloat16, float16, int8 (CPU) or auto: as stored, on a GPU bfloat16
  --set KEY=VALUE    any other setting, as it would stand in the file, such as server.drain_seconds=5,
                     models.generation.eos_token_ids=[1,2] or models.generation.top_k=null;
                     may be repeated
  --check-config     check the settings, print all of them as YAML and exit
  --version          print the version and exit
  --help             print this and exit

Once it serves it prints "listening on HOST:PORT" to standard output; logs go to standard error.
SIGTERM ends it after the running requests, a second one at once.
)";

absl::string_view View(std::string_view text) {
  return {text.data(), text.size()};
}

absl::Status ArgumentError(std::string_view argument, std::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(View(argument), ": ", View(problem)));
}

// Flags without a value. False: `name` is none of them.
bool ParseSwitch(std::string_view name, CommandLine* result) {
  if (name == "--help" || name == "-h") {
    result->help = true;
  } else if (name == "--version") {
    result->version = true;
  } else if (name == "--check-config") {
    result->check_config = true;
  } else {
    return false;
  }
  return true;
}

absl::Status ParseValue(std::string_view name, std::string_view value, CommandLine* result) {
  if (name == "--config") {
    if (!result->config_file.empty()) return ArgumentError(name, "is given twice");
    if (value.empty()) return ArgumentError(name, "needs a file");
    result->config_file = value;
    return absl::OkStatus();
  }
  if (name == "--set") {
    const size_t equals = value.find('=');
    if (equals == std::string_view::npos) return ArgumentError(name, "needs KEY=VALUE");
    result->overrides.push_back(
        {std::string(value.substr(0, equals)), std::string(value.substr(equals + 1))});
    return absl::OkStatus();
  }
  const auto* flag = std::find_if(std::begin(kSettingFlags), std::end(kSettingFlags),
                                  [&](const SettingFlag& f) { return f.name == name; });
  if (flag == std::end(kSettingFlags)) return ArgumentError(name, "is not a flag; try --help");
  for (const CommandLine::Override& other : result->overrides) {
    if (other.setting == flag->setting) return ArgumentError(name, "is given twice");
  }
  result->overrides.push_back({flag->setting, std::string(value)});
  return absl::OkStatus();
}

}  // namespace

std::string_view Usage() {
  return kUsage;
}

absl::StatusOr<CommandLine> ParseCommandLine(absl::Span<const char* const> arguments) {
  CommandLine result;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    if (argument.substr(0, 1) != "-") return ArgumentError(argument, "is not a flag; try --help");
    if (equals == std::string_view::npos && ParseSwitch(name, &result)) continue;
    std::optional<std::string_view> value;
    if (equals != std::string_view::npos) {
      value = argument.substr(equals + 1);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    }
    if (absl::Status status = ParseValue(name, value.value_or(""), &result); !status.ok()) {
      return status;
    }
    if (!value.has_value()) return ArgumentError(name, "needs a value");
  }
  return result;
}

absl::StatusOr<config::Config> ReadConfig(const CommandLine& command_line) {
  config::Config config;
  if (!command_line.config_file.empty()) {
    auto loaded = config::Load(command_line.config_file);
    if (!loaded.ok()) return loaded.status();
    config = *std::move(loaded);
  }
  for (const auto& [setting, value] : command_line.overrides) {
    if (absl::Status status = config::Override(setting, value, &config); !status.ok()) {
      return status;
    }
  }
  if (absl::Status status = config::Validate(config); !status.ok()) return status;
  if (absl::Status status = CheckGenerationSettings(config); !status.ok()) return status;
  return config;
}

}  // namespace transept::server
