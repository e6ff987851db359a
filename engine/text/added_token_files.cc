#include "engine/text/added_token_files.h"

#include <limits>
#include <utility>

#include "absl/strings/numbers.h"

namespace transept {
namespace {

constexpr TokenId kMaxTokenId = std::numeric_limits<TokenId>::max() - 1;

}  // namespace

absl::StatusOr<TokenId> ReadTokenId(const JsonView& value) {
  const auto id = value.AsInt(0, kMaxTokenId);
  if (!id.ok()) return id.status();
  return static_cast<TokenId>(*id);
}

absl::StatusOr<AddedToken> ReadAddedToken(const JsonView& object, TokenId id) {
  AddedToken token;
  token.id = id;
  auto content = object["content"].AsString();
  if (!content.ok()) return content.status();
  if (content->empty()) return object["content"].Error("must not be empty");
  token.content = *std::move(content);
  const auto special = object["special"].AsBoolOr(false);
  if (!special.ok()) return special.status();
  token.special = *special;
  struct Flag {
    const char* name;
    bool* value;
    bool fallback;
  };
  for (const Flag& flag :
       {Flag{"lstrip", &token.lstrip, false}, Flag{"rstrip", &token.rstrip, false},
        Flag{"normalized", &token.normalized, !token.special},
        Flag{"single_word", &token.single_word, false}}) {
    const auto value = object[flag.name].AsBoolOr(flag.fallback);
    if (!value.ok()) return value.status();
    *flag.value = *value;
  }
  return token;
}

absl::StatusOr<std::vector<AddedToken>> ReadAddedTokensDecoder(const JsonView& object) {
  std::vector<AddedToken> tokens;
  if (!object.exists()) return tokens;
  if (const absl::Status status = object.ExpectObject(); !status.ok()) return status;
  for (const std::string& key : object.Keys()) {
    TokenId id = 0;
    if (!absl::SimpleAtoi(key, &id) || id < 0 || id > kMaxTokenId) {
      return object[key].Error("its name must be a token id");
    }
    auto token = ReadAddedToken(object[key], id);
    if (!token.ok()) return token.status();
    tokens.push_back(*std::move(token));
  }
  return tokens;
}

absl::StatusOr<std::string> ReadSpecialToken(const JsonView& value, std::string_view fallback) {
  return value.is_object() ? value["content"].AsString() : value.AsStringOr(fallback);
}

absl::StatusOr<std::set<std::string>> ReadSpecialTokens(const JsonView& file) {
  std::set<std::string> contents;
  for (const char* name : {"bos_token", "eos_token", "unk_token", "pad_token"}) {
    auto content = ReadSpecialToken(file[name], "");
    if (!content.ok()) return content.status();
    if (!content->empty()) contents.insert(*std::move(content));
  }
  for (const char* name : {"additional_special_tokens", "extra_special_tokens"}) {
    const JsonView list = file[name];
    for (size_t i = 0; list.is_array() && i < list.size(); ++i) {
      auto content = ReadSpecialToken(list[i], "");
      if (!content.ok()) return content.status();
      contents.insert(*std::move(content));
    }
  }
  return contents;
}

}  // namespace transept
