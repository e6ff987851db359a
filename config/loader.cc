#include "config/loader.h"

#include <yaml-cpp/yaml.h>

#include <fstream>
#include <set>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "config/settings.h"
#include "config/yaml_guard.h"

namespace transept::config {
namespace {

constexpr size_t kMaxBytes = 256 * 1024;

// Where a value stands: the file for messages, the dotted path of the setting.
struct Place {
  std::string file;
  std::string setting;

  Place Inside(std::string_view name) const {
    const absl::string_view dot = setting.empty() ? "" : ".";
    return {file, absl::StrCat(setting, dot, std::string(name))};
  }
  Place Element(size_t index) const { return {file, absl::StrCat(setting, "[", index, "]")}; }
};

absl::Status ErrorAt(const Place& place, const YAML::Mark& mark, const std::string& message) {
  std::string text;
  if (!place.file.empty()) absl::StrAppend(&text, place.file, ":");
  if (!place.file.empty() && !mark.is_null())
    absl::StrAppend(&text, mark.line + 1, ":", mark.column + 1, ":");
  if (!text.empty()) text += ' ';
  if (!place.setting.empty()) absl::StrAppend(&text, place.setting, ": ");
  return absl::InvalidArgumentError(text + message);
}

// A short, printable form of a value for messages.
std::string Shown(const YAML::Node& node) {
  if (node.IsNull()) return "null";
  if (node.IsMap()) return "a map";
  if (node.IsSequence()) return "a list";
  std::string text = node.Scalar();
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(text), "\"");
}

absl::Status WrongType(const YAML::Node& node, const Place& place, absl::string_view expected) {
  return ErrorAt(place, node.Mark(), absl::StrCat("expected ", expected, ", got ", Shown(node)));
}

// The text of an unquoted scalar, which is what numbers and booleans are written as.
const std::string* PlainScalar(const YAML::Node& node) {
  return node.IsScalar() && node.Tag() != "!" ? &node.Scalar() : nullptr;
}

template <typename T>
constexpr absl::string_view kTypeName = "an integer";
template <>
constexpr absl::string_view kTypeName<uint64_t> = "an integer of 0 to 18446744073709551615";
template <>
constexpr absl::string_view kTypeName<double> = "a number";
template <>
constexpr absl::string_view kTypeName<float> = "a number";

template <std::integral T>
bool ParseNumber(const std::string& text, T* out) {
  return absl::SimpleAtoi(text, out);
}
bool ParseNumber(const std::string& text, double* out) {
  return absl::SimpleAtod(text, out);
}
bool ParseNumber(const std::string& text, float* out) {
  return absl::SimpleAtof(text, out);
}

template <typename T>
requires std::is_arithmetic_v<T> absl::Status Read(const YAML::Node& node, const Place& place,
                                                   const Limits& limits, T* out) {
  const std::string* text = PlainScalar(node);
  T value{};
  if (text == nullptr || !ParseNumber(*text, &value)) {
    return WrongType(node, place, kTypeName<T>);
  }
  const auto number = static_cast<double>(value);
  const bool low = limits.above_min ? !(number > limits.min) : !(number >= limits.min);
  const bool high = limits.below_max ? !(number < limits.max) : !(number <= limits.max);
  if (low || high) {
    return ErrorAt(place, node.Mark(),
                   absl::StrCat(*text, " is out of range: must be ", Describe(limits)));
  }
  *out = value;
  return absl::OkStatus();
}

absl::Status Read(const YAML::Node& node, const Place& place, const Limits&, bool* out) {
  const std::string* text = PlainScalar(node);
  if (text == nullptr || (*text != "true" && *text != "false")) {
    return WrongType(node, place, "true or false");
  }
  *out = *text == "true";
  return absl::OkStatus();
}

absl::Status Read(const YAML::Node& node, const Place& place, const Limits& limits,
                  std::string* out) {
  if (!node.IsScalar()) return WrongType(node, place, "text");
  const std::string& text = node.Scalar();
  const bool chosen =
      limits.choices.empty() ||
      std::find(limits.choices.begin(), limits.choices.end(), text) != limits.choices.end();
  if (!chosen || (limits.matches != nullptr && !limits.matches(text))) {
    return WrongType(node, place, Describe(limits));
  }
  *out = text;
  return absl::OkStatus();
}

template <typename T>
absl::Status Read(const YAML::Node& node, const Place& place, const Limits& limits,
                  std::vector<T>* out) {
  if (!node.IsSequence()) return WrongType(node, place, "a list");
  // Existing elements are overlaid, so that Override reaches into the first model.
  out->resize(std::max(out->size(), node.size()));
  for (size_t i = 0; i < node.size(); ++i) {
    absl::Status status = Read(node[i], place.Element(i), limits, &(*out)[i]);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

template <typename T>
absl::Status Read(const YAML::Node& node, const Place& place, const Limits& limits,
                  std::optional<T>* out) {
  out->reset();
  if (node.IsNull()) return absl::OkStatus();
  return Read(node, place, limits, &out->emplace());
}

template <Section T>
absl::Status Read(const YAML::Node& node, const Place& place, const Limits&, T* out);

template <Section T>
absl::Status ReadEntry(const YAML::Node& key, const YAML::Node& value, const Place& place, T* out) {
  std::string known;
  for (const Setting<T>& setting : SettingsOf<T>()) {
    if (key.IsScalar() && key.Scalar() == setting.name) {
      return std::visit(
          [&](auto member) {
            return Read(value, place.Inside(setting.name), setting.limits, &(out->*member));
          },
          setting.member);
    }
    known.append(known.empty() ? "" : ", ").append(setting.name);
  }
  return ErrorAt(place, key.Mark(),
                 absl::StrCat("unknown setting ", Shown(key), "; known here: ", known));
}

template <Section T>
absl::Status Read(const YAML::Node& node, const Place& place, const Limits&, T* out) {
  if (node.IsNull()) return absl::OkStatus();  // "server:" with nothing below it
  if (!node.IsMap()) return WrongType(node, place, "a map of settings");
  std::set<std::string> seen;
  for (const auto& entry : node) {
    if (entry.first.IsScalar() && !seen.insert(entry.first.Scalar()).second) {
      return ErrorAt(place, entry.first.Mark(),
                     absl::StrCat("setting ", Shown(entry.first), " is given twice"));
    }
    absl::Status status = ReadEntry(entry.first, entry.second, place, out);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// Sets what the dotted path names; on error `config` is unchanged.
absl::Status Set(std::string_view setting, YAML::Node node, Config* config) {
  std::vector<std::string> names =
      absl::StrSplit(absl::string_view(setting.data(), setting.size()), '.');
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (*name == "models[0]") *name = "models";  // as errors call it
    if (*name == "models") {
      YAML::Node first;
      first.push_back(node);
      node.reset(first);
    }
    YAML::Node section;
    section[*name] = node;
    node.reset(section);
  }
  Config changed = *config;
  absl::Status status = Read(node, Place{}, Limits{}, &changed);
  if (status.ok()) *config = std::move(changed);
  return status;
}

}  // namespace

absl::StatusOr<Config> Parse(std::string_view text, std::string_view file) {
  const Place place{std::string(file), ""};
  if (text.size() > kMaxBytes) {
    return ErrorAt(place, YAML::Mark::null_mark(),
                   absl::StrCat(text.size(), " bytes of settings, limit ", kMaxBytes));
  }
  try {
    const std::string copy(text);
    CheckYaml(copy);
    Config config;
    absl::Status status = Read(YAML::Load(copy), place, Limits{}, &config);
    if (!status.ok()) return status;
    return config;
  } catch (const YAML::Exception& error) {
    return ErrorAt(place, error.mark, error.msg);
  }
}

absl::StatusOr<Config> Load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": can't open the settings file"));
  std::string text(kMaxBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (file.fail() && !file.eof())) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": can't read the settings file"));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  return Parse(text, path);
}

absl::Status Override(std::string_view setting, std::string_view value, Config* config) {
  try {
    const std::string text(value);
    absl::Status status = Set(setting, YAML::Node(text), config);
    if (status.ok()) return status;
    // Neither text nor a number: what else it may be shows at its ends.
    const bool flow = (text.starts_with('[') && text.ends_with(']')) ||
                      (text.starts_with('{') && text.ends_with('}'));
    if (!flow && text != "null") return status;
    CheckYaml(text);
    return Set(setting, YAML::Load(text), config);
  } catch (const YAML::Exception& error) {
    return ErrorAt(Place{"", std::string(setting)}, YAML::Mark::null_mark(), error.msg);
  }
}

absl::Status Validate(const Config& config) {
  if (config.models.empty()) {
    return absl::InvalidArgumentError(
        "models: there is none; name the folder of one with --model-dir, or in the file of "
        "--config");
  }
  if (config.models.size() > 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("models: this version serves exactly 1 model, got ", config.models.size()));
  }
  if (config.models[0].path.empty()) {
    return absl::InvalidArgumentError("models[0].path: the model's folder is not set");
  }
  if (const absl::Status status = Validate(config.models[0].engine); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("models[0].engine.", status.message()));
  }
  return absl::OkStatus();
}

absl::Status Validate(const EngineConfig& config) {
  if (config.device == "cuda" && config.dtype == "int8") {
    return absl::InvalidArgumentError(
        "dtype: int8 is for the CPU; a GPU takes bfloat16, float16 or float32");
  }
  return absl::OkStatus();
}

}  // namespace transept::config
