#include "engine/text/byte_level_tokenizer.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "engine/text/added_token_files.h"
#include "engine/text/bpe_files.h"

namespace transept {
namespace {

struct Role {
  const char* name;
  const char* default_content;
};

// In the order in which those that the vocabulary lacks get their ids.
enum RoleIndex { kBos, kEos, kUnknown, kSep, kPad, kCls, kMask, kNumRoles };
constexpr std::array<Role, kNumRoles> kRoles = {{{"bos_token", "<s>"},
                                                 {"eos_token", "</s>"},
                                                 {"unk_token", "<unk>"},
                                                 {"sep_token", "</s>"},
                                                 {"pad_token", "<pad>"},
                                                 {"cls_token", "<s>"},
                                                 {"mask_token", "<mask>"}}};

// Added tokens, each with the id that the vocabulary has for its content. New ones are numbered
// from the count of pieces, whether their ids have gaps or not.
class AddedTokenList {
 public:
  explicit AddedTokenList(const BpeModel::Options& model) {
    for (size_t id = 0; id < model.pieces.size(); ++id) {
      if (!model.pieces[id].empty()) ids_[model.pieces[id]] = static_cast<TokenId>(id);
    }
    next_id_ = static_cast<TokenId>(ids_.size());
  }

  // In place of an earlier one of the same content.
  void AddListed(AddedToken token) {
    listed_.insert(token.content);
    Add(std::move(token));
  }

  // As well, but a listed one stays as it was listed. Returns the token's id.
  TokenId AddSpecial(AddedToken token) {
    if (listed_.count(token.content) == 0) return Add(std::move(token));
    AddedToken& listed = tokens_[token.content];
    listed.special = true;
    return listed.id;
  }

  std::vector<AddedToken> Take() {
    std::vector<AddedToken> tokens;
    for (auto& [content, token] : tokens_) tokens.push_back(std::move(token));
    return tokens;
  }

 private:
  TokenId Add(AddedToken token) {
    const auto [it, is_new] = ids_.try_emplace(token.content, next_id_);
    if (is_new) ++next_id_;
    token.id = it->second;
    tokens_[token.content] = std::move(token);
    return it->second;
  }

  absl::flat_hash_map<std::string, TokenId> ids_;  // of the vocabulary and the added tokens
  std::map<std::string, AddedToken> tokens_;
  std::set<std::string> listed_;
  TokenId next_id_ = 0;
};

// The tokens that tokenizer_config.json or, where it has no list, added_tokens.json lists.
absl::StatusOr<std::vector<AddedToken>> ReadListedTokens(const ByteLevelTokenizerFiles& files) {
  const JsonView list = files.tokenizer_config["added_tokens_decoder"];
  auto tokens = ReadAddedTokensDecoder(list);
  if (!tokens.ok()) return tokens.status();
  if (!list.exists()) {
    for (const std::string& content : files.added_tokens.root().Keys()) {
      const auto id = ReadTokenId(files.added_tokens[content]);
      if (!id.ok()) return id.status();
      if (content.empty()) return files.added_tokens[content].Error("its name must not be empty");
      tokens->push_back({.id = *id, .content = content, .normalized = true});
    }
  }
  std::stable_sort(tokens->begin(), tokens->end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return tokens;
}

// A special token, written as a string or an object; `fallback` where `value` is absent.
absl::StatusOr<AddedToken> ReadSpecial(const JsonView& value, AddedToken fallback) {
  AddedToken token = std::move(fallback);
  if (value.is_object()) {
    auto read = ReadAddedToken(value, 0);
    if (!read.ok()) return read.status();
    token = *std::move(read);
    token.normalized &= value["normalized"].exists();
  } else if (value.exists()) {
    auto content = value.AsString();
    if (!content.ok()) return content.status();
    if (content->empty()) return value.Error("must not be empty");
    token.content = *std::move(content);
  }
  token.special = true;
  return token;
}

// Those with a role, in the order of kRoles, then the others.
absl::StatusOr<std::vector<AddedToken>> ReadAllSpecial(const ByteLevelTokenizerFiles& files,
                                                       ByteLevelClass tokenizer_class) {
  // special_tokens_map.json goes first, but counts only where no list has all tokens.
  std::vector<JsonView> sources = {files.tokenizer_config.root()};
  if (!files.tokenizer_config["added_tokens_decoder"].exists()) {
    sources.insert(sources.begin(), files.special_tokens_map.root());
  }
  std::vector<AddedToken> tokens;
  for (size_t role = 0; role < kRoles.size(); ++role) {
    JsonView value = sources.front()[kRoles[role].name];
    if (!value.exists()) value = sources.back()[kRoles[role].name];
    AddedToken fallback{.content = kRoles[role].default_content};
    fallback.lstrip = role == kMask && tokenizer_class == ByteLevelClass::kBlenderbot;
    auto token = ReadSpecial(value, std::move(fallback));
    if (!token.ok()) return token.status();
    tokens.push_back(*std::move(token));
  }
  for (const JsonView& source : sources) {
    for (const char* name : {"additional_special_tokens", "extra_special_tokens"}) {
      const JsonView list = source[name];
      for (size_t i = 0; list.is_array() && i < list.size(); ++i) {
        auto token = ReadSpecial(list[i], {});
        if (!token.ok()) return token.status();
        if (token->content.empty()) return list[i].Error("must be a token");
        tokens.push_back(*std::move(token));
      }
    }
  }
  return tokens;
}

// The tokens around every text.
absl::Status SetWrapping(const JsonDocument& config, ByteLevelClass tokenizer_class,
                         const std::vector<TokenId>& special_ids,
                         SubwordTokenizerOptions* options) {
  if (tokenizer_class == ByteLevelClass::kBart) {
    options->prefix_tokens = {special_ids[kCls]};
    options->suffix_tokens = {special_ids[kSep]};
    return absl::OkStatus();
  }
  const auto bos = config["add_bos_token"].AsBoolOr(false);
  if (!bos.ok()) return bos.status();
  const auto eos = config["add_eos_token"].AsBoolOr(false);
  if (!eos.ok()) return eos.status();
  if (*bos) options->prefix_tokens = {special_ids[kBos]};
  if (*eos) options->suffix_tokens = {special_ids[kEos]};
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SubwordTokenizerOptions> ReadByteLevelTokenizer(const ByteLevelTokenizerFiles& files,
                                                               ByteLevelClass tokenizer_class) {
  auto model = ReadBpeFiles(files.vocab, files.merges_path, files.merges);
  if (!model.ok()) return model.status();
  auto listed = ReadListedTokens(files);
  if (!listed.ok()) return listed.status();
  auto special = ReadAllSpecial(files, tokenizer_class);
  if (!special.ok()) return special.status();

  SubwordTokenizerOptions options;
  AddedTokenList tokens(*model);
  for (AddedToken& token : *listed) tokens.AddListed(std::move(token));
  std::vector<TokenId> special_ids;
  for (AddedToken& token : *special) special_ids.push_back(tokens.AddSpecial(std::move(token)));
  options.added_tokens = tokens.Take();
  absl::Status status = SetWrapping(files.tokenizer_config, tokenizer_class, special_ids, &options);
  if (!status.ok()) return status;

  const auto prefix_space = files.tokenizer_config["add_prefix_space"].AsBoolOr(
      tokenizer_class == ByteLevelClass::kBlenderbot);
  if (!prefix_space.ok()) return prefix_space.status();
  options.words.byte_level = {.prefix_space = *prefix_space};
  options.decoding = {.start = DecodingRules::Start::kKeep, .bytes = DecodingRules::Bytes::kAll};
  options.model = std::make_unique<BpeModel>(*std::move(model));
  options.normalizer = MakeSequenceNormalizer({});
  options.may_clean_up_spaces = false;
  return options;
}

}  // namespace transept
