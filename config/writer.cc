// ToYaml: the inverse of the reader, with the documentation of every setting as comments.
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "config/loader.h"
#include "config/settings.h"

namespace transept::config {
namespace {

constexpr size_t kColumns = 100;

// `text` as a comment, broken between words, each line indented.
std::string Comment(const std::string& text, const std::string& indent) {
  std::string out;
  std::string line;
  for (const absl::string_view word : absl::StrSplit(text, ' ')) {
    if (line.empty() || line.size() + 1 + word.size() > kColumns) {
      if (!line.empty()) absl::StrAppend(&out, line, "\n");
      line = indent + "#";
    }
    absl::StrAppend(&line, " ", word);
  }
  return absl::StrCat(out, line, "\n");
}

template <typename T>
requires std::is_arithmetic_v<T> std::string Value(T value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  return std::string(text, end);
}
std::string Value(bool value) {
  return value ? "true" : "false";
}
std::string Value(const std::string& value) {
  YAML::Emitter emitter;
  emitter << value;
  return emitter.c_str();
}
template <typename T>
std::string Value(const std::vector<T>& values);
template <typename T>
std::string Value(const std::optional<T>& value);
// A section in one line.
template <Section T>
std::string Value(const T& section) {
  std::string out;
  for (const Setting<T>& setting : SettingsOf<T>()) {
    absl::StrAppend(&out, out.empty() ? "{" : ", ", std::string(setting.name), ": ");
    std::visit([&](auto member) { out += Value(section.*member); }, setting.member);
  }
  return out + "}";
}
template <typename T>
std::string Value(const std::vector<T>& values) {
  std::string out;
  for (const T& value : values) absl::StrAppend(&out, out.empty() ? "[" : ", ", Value(value));
  return values.empty() ? "[]" : out + "]";
}
template <typename T>
std::string Value(const std::optional<T>& value) {
  return value.has_value() ? Value(*value) : "null";
}

template <Section T>
std::string Settings(const T& section, const std::string& indent);

std::string Models(const std::vector<ModelConfig>& models, const std::string& indent) {
  std::string out;
  for (const ModelConfig& model : models) {
    absl::StrAppend(&out, indent, "-\n", Settings(model, indent + "  "));
  }
  return out;
}

// One setting: its comment, then "name: value" or "name:" and what is below it.
template <typename T>
std::string Entry(std::string_view name, const T& value, const std::string& comment,
                  const std::string& indent) {
  const std::string head = absl::StrCat(comment, indent, std::string(name), ":");
  if constexpr (Section<T>) {
    return absl::StrCat(head, "\n", Settings(value, indent + "  "));
  } else if constexpr (std::is_same_v<T, std::vector<ModelConfig>>) {
    if (value.empty()) return head + " []\n";
    return absl::StrCat(head, "\n", Models(value, indent + "  "));
  } else {
    return absl::StrCat(head, " ", Value(value), "\n");
  }
}

template <Section T>
std::string Settings(const T& section, const std::string& indent) {
  std::string out;
  for (const Setting<T>& setting : SettingsOf<T>()) {
    std::string doc(setting.doc);
    if (std::string limits = Describe(setting.limits); !limits.empty()) {
      limits[0] = absl::ascii_toupper(static_cast<unsigned char>(limits[0]));
      absl::StrAppend(&doc, " ", limits, ".");
    }
    if (indent.empty() && !out.empty()) out += "\n";
    std::visit(
        [&](auto member) {
          out += Entry(setting.name, section.*member, Comment(doc, indent), indent);
        },
        setting.member);
  }
  return out;
}

}  // namespace

std::string ToYaml(const Config& config) {
  return absl::StrCat("# Settings of transept-server, each at the value in force; README.md shows ",
                      "how to start with them.\n\n", Settings(config, ""));
}

}  // namespace transept::config
