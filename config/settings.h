// Every setting as data: its name in the file, where it lives, what it accepts, what it means. The
// reader, the range checks, the writer and the example file all walk these tables.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "config/config.h"

namespace transept::config {

// What a setting accepts beyond its type; for a list, of each element.
struct Limits {
  // Numbers: min <= value <= max; min < value with `above_min`, value < max with `below_max`.
  double min = std::numeric_limits<double>::lowest();
  double max = std::numeric_limits<double>::max();
  bool above_min = false;
  bool below_max = false;

  // Text: one of these, unless empty.
  std::vector<std::string_view> choices = {};

  // Text: what `matches` accepts, in words.
  std::string_view form = {};
  bool (*matches)(std::string_view) = nullptr;
};

template <typename Owner, typename... Types>
using MemberOf = std::variant<Types Owner::*...>;

// A pointer to the member of `Owner` that holds a setting or a section of settings.
template <typename Owner>
using Member =
    MemberOf<Owner, bool, int32_t, int64_t, float, double, std::string, std::vector<int32_t>,
             std::optional<bool>, std::optional<int32_t>, std::optional<uint64_t>,
             std::optional<float>, std::optional<std::string>, std::optional<std::vector<int32_t>>,
             std::optional<std::vector<std::vector<int32_t>>>,
             std::optional<std::vector<std::string>>, std::optional<std::vector<SequenceBias>>,
             std::optional<ExponentialDecayLengthPenalty>, EngineConfig, GenerationConfig,
             ServerConfig, std::vector<ModelConfig>>;

template <typename Owner>
struct Setting {
  std::string_view name;
  Member<Owner> member;
  std::string_view doc;  // one or two sentences for whoever runs the server
  Limits limits = {};
};

// The settings of one section, in the order in which the example file shows them.
template <typename Section>
std::span<const Setting<Section>> SettingsOf();
template <>
std::span<const Setting<Config>> SettingsOf<Config>();
template <>
std::span<const Setting<ServerConfig>> SettingsOf<ServerConfig>();
template <>
std::span<const Setting<ModelConfig>> SettingsOf<ModelConfig>();
template <>
std::span<const Setting<EngineConfig>> SettingsOf<EngineConfig>();
template <>
std::span<const Setting<GenerationConfig>> SettingsOf<GenerationConfig>();
template <>
std::span<const Setting<SequenceBias>> SettingsOf<SequenceBias>();
template <>
std::span<const Setting<ExponentialDecayLengthPenalty>> SettingsOf<ExponentialDecayLengthPenalty>();

// The types that are sections: a map of further settings.
template <typename T>
concept Section = std::is_same_v<T, Config> || std::is_same_v<T, ServerConfig> ||
    std::is_same_v<T, ModelConfig> || std::is_same_v<T, EngineConfig> ||
    std::is_same_v<T, GenerationConfig> || std::is_same_v<T, SequenceBias> ||
    std::is_same_v<T, ExponentialDecayLengthPenalty>;

// `limits` in words, such as "0 to 1024", "above 0" or "one of cpu, cuda"; empty when there is
// none.
std::string Describe(const Limits& limits);

}  // namespace transept::config
