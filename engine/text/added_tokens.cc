#include "engine/text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "engine/text/utf8.h"

namespace transept {
namespace {

ByteTrie MakeTrie(const std::vector<AddedToken>& tokens) {
  std::vector<ByteTrie::Entry> entries;
  for (size_t i = 0; i < tokens.size(); ++i) {
    entries.emplace_back(tokens[i].content, static_cast<int32_t>(i));
  }
  return ByteTrie(std::move(entries));
}

}  // namespace

AddedTokensById IndexById(const std::vector<AddedToken>& tokens) {
  AddedTokensById map;
  for (const AddedToken& token : tokens) map[token.id] = token;
  return map;
}

AddedTokenSplitter::AddedTokenSplitter(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)), trie_(MakeTrie(tokens_)) {}

std::vector<AddedTokenSplitter::Part> AddedTokenSplitter::Split(std::string_view text) const {
  std::vector<Part> parts;
  size_t done = 0;  // everything before it is in `parts`
  for (size_t at = 0; at < text.size();) {
    size_t length = 0;
    const AddedToken* token = nullptr;
    trie_.ForEachPrefix(text.substr(at), [&](size_t prefix_length, int32_t index) {
      length = prefix_length;
      token = &tokens_[static_cast<size_t>(index)];
    });
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::string_view before = text.substr(done, at - done);
    if (token->lstrip) before = StripRight(before);
    if (!before.empty()) parts.push_back({before, -1});
    size_t end = at + length;
    if (token->rstrip) end = text.size() - StripLeft(text.substr(end)).size();
    const size_t start = done + before.size();
    parts.push_back({text.substr(start, end - start), token->id});
    done = at = end;
  }
  if (done < text.size()) parts.push_back({text.substr(done), -1});
  return parts;
}

}  // namespace transept
