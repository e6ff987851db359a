#include "engine/text/tokenizer_json.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/text/added_token_files.h"
#include "engine/text/bpe_files.h"
#include "engine/text/unigram_model.h"

namespace transept {
namespace {

// The "type" of a component; an error unless it is an object with one.
absl::StatusOr<std::string> TypeOf(const JsonView& component) {
  return component["type"].AsString();
}

absl::Status NotSupported(const JsonView& field, std::string_view supported) {
  return field.Error(absl::StrCat("not supported; must be ", std::string(supported)));
}

absl::Status RequireText(const JsonView& field, std::string_view expected) {
  const auto value = field.AsString();
  if (!value.ok()) return value.status();
  if (*value == expected) return absl::OkStatus();
  return NotSupported(field, absl::StrCat("\"", std::string(expected), "\""));
}

absl::StatusOr<std::unique_ptr<Normalizer>> ReadPrecompiled(const JsonView& json) {
  const JsonView field = json["precompiled_charsmap"];
  const auto base64 = field.AsStringOr("");
  if (!base64.ok()) return base64.status();
  std::string bytes;
  if (!absl::Base64Unescape(*base64, &bytes)) return field.Error("must be base64");
  auto charsmap = Charsmap::Parse(bytes);
  if (!charsmap.ok()) return field.Error(std::string(charsmap.status().message()));
  auto graphemes = GraphemeRules::Load();
  if (!graphemes.ok()) return graphemes.status();
  return MakePrecompiledNormalizer(*std::move(charsmap), *std::move(graphemes));
}

absl::StatusOr<std::unique_ptr<Normalizer>> ReadReplace(const JsonView& json) {
  auto content = json["content"].AsString();
  if (!content.ok()) return content.status();
  if (json["pattern"]["Regex"].exists()) {
    absl::Status status = RequireText(json["pattern"]["Regex"], " {2,}");
    if (!status.ok()) return status;
    return MakeSpaceRunNormalizer(*std::move(content));
  }
  const JsonView field = json["pattern"]["String"];
  auto pattern = field.AsString();
  if (!pattern.ok()) return pattern.status();
  if (pattern->empty()) return field.Error("must not be empty");
  return MakeReplaceNormalizer(*std::move(pattern), *std::move(content));
}

absl::StatusOr<std::unique_ptr<Normalizer>> ReadStrip(const JsonView& json) {
  const auto left = json["strip_left"].AsBool();
  if (!left.ok()) return left.status();
  const auto right = json["strip_right"].AsBool();
  if (!right.ok()) return right.status();
  return MakeStripNormalizer(*left, *right);
}

absl::StatusOr<std::unique_ptr<Normalizer>> ReadNormalizer(const JsonView& json) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  if (!json.exists()) return MakeSequenceNormalizer(std::move(steps));
  const auto type = TypeOf(json);
  if (!type.ok()) return type.status();
  if (*type == "Precompiled") return ReadPrecompiled(json);
  if (*type == "Replace") return ReadReplace(json);
  if (*type == "Strip") return ReadStrip(json);
  if (*type != "Sequence") {
    return NotSupported(json["type"], "Precompiled, Replace, Strip or Sequence");
  }
  const JsonView list = json["normalizers"];
  if (absl::Status status = list.ExpectArray(); !status.ok()) return status;
  for (size_t i = 0; i < list.size(); ++i) {
    auto step = ReadNormalizer(list[i]);
    if (!step.ok()) return step.status();
    steps.push_back(*std::move(step));
  }
  return MakeSequenceNormalizer(std::move(steps));
}

absl::StatusOr<WordRules::Prefix> ReadPrependScheme(const JsonView& json) {
  using Prefix = WordRules::Prefix;
  if (absl::Status status = RequireText(json["replacement"], kSpaceMark); !status.ok()) {
    return status;
  }
  // Files before tokenizers 0.15 have a flag in place of the scheme.
  const auto flag = json["add_prefix_space"].AsBoolOr(true);
  if (!flag.ok()) return flag.status();
  const auto scheme = json["prepend_scheme"].AsStringOr(*flag ? "always" : "never");
  if (!scheme.ok()) return scheme.status();
  if (*scheme == "always") return Prefix::kAlways;
  if (*scheme == "first") return Prefix::kFirst;
  if (*scheme == "never") return Prefix::kNever;
  return NotSupported(json["prepend_scheme"], "always, first or never");
}

absl::StatusOr<ByteLevelRules> ReadByteLevel(const JsonView& json) {
  const auto prefix_space = json["add_prefix_space"].AsBoolOr(true);
  if (!prefix_space.ok()) return prefix_space.status();
  const auto split = json["use_regex"].AsBoolOr(true);
  if (!split.ok()) return split.status();
  return ByteLevelRules{.prefix_space = *prefix_space, .split = *split};
}

// All but ByteLevel.
absl::Status ReadSpacePreTokenizer(const JsonView& json, WordRules* rules) {
  if (!json.exists()) return absl::OkStatus();
  const auto type = TypeOf(json);
  if (!type.ok()) return type.status();
  if (*type == "WhitespaceSplit" && !rules->mark_spaces) {
    rules->split_at_white_space = true;
    return absl::OkStatus();
  }
  if (*type == "Metaspace" && !rules->mark_spaces) {
    const auto prefix = ReadPrependScheme(json);
    if (!prefix.ok()) return prefix.status();
    const auto split = json["split"].AsBoolOr(true);
    if (!split.ok()) return split.status();
    rules->mark_spaces = true;
    rules->prefix = *prefix;
    rules->split_at_space_marks = *split;
    return absl::OkStatus();
  }
  if (*type != "Sequence") {
    return NotSupported(json["type"],
                        "ByteLevel, WhitespaceSplit, Metaspace or a Sequence of the last two");
  }
  const JsonView list = json["pretokenizers"];
  if (absl::Status status = list.ExpectArray(); !status.ok()) return status;
  for (size_t i = 0; i < list.size(); ++i) {
    absl::Status status = ReadSpacePreTokenizer(list[i], rules);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ReadPreTokenizer(const JsonView& json, WordRules* rules) {
  const auto type = json["type"].AsStringOr("");
  if (!type.ok()) return type.status();
  if (*type != "ByteLevel") return ReadSpacePreTokenizer(json, rules);
  auto byte_level = ReadByteLevel(json);
  if (!byte_level.ok()) return byte_level.status();
  rules->byte_level = *byte_level;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<const SubwordModel>> ReadBpeModel(const JsonView& json) {
  auto options = ReadBpeJson(json);
  if (!options.ok()) return options.status();
  return std::make_unique<BpeModel>(*std::move(options));
}

absl::StatusOr<std::unique_ptr<const SubwordModel>> ReadUnigramModel(const JsonView& json) {
  const JsonView vocab = json["vocab"];
  if (absl::Status status = vocab.ExpectArray(); !status.ok()) return status;
  if (vocab.size() == 0) return vocab.Error("must not be empty");

  UnigramModel::Options model;
  model.pieces.reserve(vocab.size());
  for (size_t i = 0; i < vocab.size(); ++i) {
    const JsonView entry = vocab[i];
    auto text = entry[0].AsString();
    if (!text.ok()) return text.status();
    const auto score = entry[1].AsDouble();
    if (!score.ok()) return score.status();
    model.lowest_score = i == 0 ? *score : std::min(model.lowest_score, *score);
    model.pieces.push_back({.text = *std::move(text), .score = *score});
  }
  const auto unknown = json["unk_id"].AsInt(0, static_cast<int64_t>(vocab.size()) - 1);
  if (!unknown.ok()) return unknown.status();
  model.unknown_id = static_cast<TokenId>(*unknown);
  const auto byte_fallback = json["byte_fallback"].AsBoolOr(false);
  if (!byte_fallback.ok()) return byte_fallback.status();
  model.byte_fallback = *byte_fallback;
  return std::make_unique<UnigramModel>(std::move(model));
}

absl::StatusOr<std::unique_ptr<const SubwordModel>> ReadModel(const JsonView& json) {
  const auto type = TypeOf(json);
  if (!type.ok()) return type.status();
  if (*type == "BPE") return ReadBpeModel(json);
  if (*type == "Unigram") return ReadUnigramModel(json);
  return NotSupported(json["type"], "BPE or Unigram");
}

absl::StatusOr<std::vector<AddedToken>> ReadAddedTokens(const JsonView& list) {
  std::vector<AddedToken> tokens;
  if (!list.exists()) return tokens;
  if (absl::Status status = list.ExpectArray(); !status.ok()) return status;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto id = ReadTokenId(list[i]["id"]);
    if (!id.ok()) return id.status();
    auto token = ReadAddedToken(list[i], *id);
    if (!token.ok()) return token.status();
    tokens.push_back(*std::move(token));
  }
  return tokens;
}

// Appends the ids of the special token `name` of a TemplateProcessing post-processor.
absl::Status AppendTemplateToken(const JsonView& processor, const std::string& name,
                                 std::vector<TokenId>* ids) {
  const JsonView list = processor["special_tokens"][name]["ids"];
  if (absl::Status status = list.ExpectArray(); !status.ok()) return status;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto id = ReadTokenId(list[i]);
    if (!id.ok()) return id.status();
    ids->push_back(*id);
  }
  return absl::OkStatus();
}

// "cls" before the text and "sep" after it, each a pair of a token and its id.
absl::Status ReadRobertaProcessor(const JsonView& json, SubwordTokenizerOptions* options) {
  const auto cls = ReadTokenId(json["cls"][1]);
  if (!cls.ok()) return cls.status();
  const auto sep = ReadTokenId(json["sep"][1]);
  if (!sep.ok()) return sep.status();
  options->prefix_tokens.push_back(*cls);
  options->suffix_tokens.push_back(*sep);
  return absl::OkStatus();
}

absl::Status ReadPostProcessor(const JsonView& json, SubwordTokenizerOptions* options) {
  if (!json.exists()) return absl::OkStatus();
  const auto type = TypeOf(json);
  if (!type.ok()) return type.status();
  if (*type == "ByteLevel") return absl::OkStatus();  // changes offsets only
  if (*type == "RobertaProcessing") return ReadRobertaProcessor(json, options);
  if (*type != "TemplateProcessing") {
    return NotSupported(json["type"], "ByteLevel, RobertaProcessing or TemplateProcessing");
  }
  const JsonView parts = json["single"];
  if (absl::Status status = parts.ExpectArray(); !status.ok()) return status;
  bool text_seen = false;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i]["Sequence"].exists()) {
      if (text_seen) return NotSupported(parts[i], "the only Sequence");
      text_seen = true;
      continue;
    }
    const auto name = parts[i]["SpecialToken"]["id"].AsString();
    if (!name.ok()) return name.status();
    absl::Status status = AppendTemplateToken(
        json, *name, text_seen ? &options->suffix_tokens : &options->prefix_tokens);
    if (!status.ok()) return status;
  }
  if (!text_seen) return NotSupported(parts, "a list with a Sequence");
  return absl::OkStatus();
}

// A Strip decoder takes spaces from the ends of the text.
absl::Status ReadStripDecoder(const JsonView& json, DecodingRules* rules) {
  if (absl::Status status = RequireText(json["content"], " "); !status.ok()) return status;
  const auto start = json["start"].AsInt(0, 1);
  if (!start.ok()) return start.status();
  const auto stop = json["stop"].AsInt(0, 0);
  if (!stop.ok()) return stop.status();
  if (*start == 1) rules->start = DecodingRules::Start::kDropOneSpace;
  return absl::OkStatus();
}

// All but ByteLevel.
absl::Status ReadSpaceDecoder(const JsonView& json, DecodingRules* rules, bool* marks_decoded) {
  const auto type = TypeOf(json);
  if (!type.ok()) return type.status();
  if (*type == "Metaspace") {
    const auto prefix = ReadPrependScheme(json);
    if (!prefix.ok()) return prefix.status();
    rules->start = *prefix == WordRules::Prefix::kNever
                       ? DecodingRules::Start::kKeep
                       : DecodingRules::Start::kDropFirstTokensMarks;
    *marks_decoded = true;
    return absl::OkStatus();
  }
  if (*type == "Replace") {
    *marks_decoded = true;
    const absl::Status status = RequireText(json["pattern"]["String"], kSpaceMark);
    return status.ok() ? RequireText(json["content"], " ") : status;
  }
  if (*type == "ByteFallback") {
    rules->bytes = DecodingRules::Bytes::kWholeRun;
    return absl::OkStatus();
  }
  if (*type == "Fuse") return absl::OkStatus();
  if (*type == "Strip") return ReadStripDecoder(json, rules);
  if (*type != "Sequence") {
    return NotSupported(
        json["type"],
        "ByteLevel, Metaspace, or a Sequence of the latter, Replace, ByteFallback, Fuse and Strip");
  }
  const JsonView list = json["decoders"];
  if (absl::Status status = list.ExpectArray(); !status.ok()) return status;
  for (size_t i = 0; i < list.size(); ++i) {
    absl::Status status = ReadSpaceDecoder(list[i], rules, marks_decoded);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ReadDecoder(const JsonView& json, DecodingRules* rules) {
  rules->start = DecodingRules::Start::kKeep;
  const auto type = TypeOf(json);
  if (!type.ok()) return type.status();
  if (*type == "ByteLevel") {
    rules->bytes = DecodingRules::Bytes::kAll;
    return absl::OkStatus();
  }
  bool marks_decoded = false;
  if (absl::Status status = ReadSpaceDecoder(json, rules, &marks_decoded); !status.ok()) {
    return status;
  }
  if (!marks_decoded) return NotSupported(json, "one that turns space marks into spaces");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SubwordTokenizerOptions> ReadTokenizerJson(const JsonDocument& file) {
  SubwordTokenizerOptions options;
  auto model = ReadModel(file["model"]);
  if (!model.ok()) return model.status();
  options.model = *std::move(model);
  options.may_clean_up_spaces = *file["model"]["type"].AsString() != "BPE";
  auto added_tokens = ReadAddedTokens(file["added_tokens"]);
  if (!added_tokens.ok()) return added_tokens.status();
  options.added_tokens = *std::move(added_tokens);
  auto normalizer = ReadNormalizer(file["normalizer"]);
  if (!normalizer.ok()) return normalizer.status();
  options.normalizer = *std::move(normalizer);
  absl::Status status = ReadPreTokenizer(file["pre_tokenizer"], &options.words);
  if (!status.ok()) return status;
  status = ReadPostProcessor(file["post_processor"], &options);
  if (!status.ok()) return status;
  status = ReadDecoder(file["decoder"], &options.decoding);
  if (!status.ok()) return status;
  return options;
}

}  // namespace transept
