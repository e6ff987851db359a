#include "engine/text/languages.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/json/json.h"

namespace transept {
namespace {

constexpr size_t kMostNearNames = 3;
constexpr size_t kLongestName = 32;

// How many characters must be put in, left out or replaced to make `b` of `a`.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

// Names that begin like it come first, whatever their case: codes of one language do in all of its
// spellings.
std::vector<std::string> NearNames(const Languages& languages, std::string_view name) {
  constexpr size_t kBeginning = 2;
  const auto folded = [](std::string_view text) {
    return absl::AsciiStrToLower(
        absl::string_view(text.data(), std::min(text.size(), kLongestName)));
  };
  const std::string start = folded(name);
  std::vector<std::tuple<bool, size_t, std::string_view>> ranked;
  for (const auto& [known, token] : languages.tokens) {
    const std::string other = folded(known);
    const bool differs = other.compare(0, kBeginning, start, 0, kBeginning) != 0;
    ranked.emplace_back(differs, EditDistance(start, other), known);
  }
  const size_t n = std::min(kMostNearNames, ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(n), ranked.end());
  std::vector<std::string> names;
  for (size_t i = 0; i < n; ++i) names.push_back(Printable(std::get<2>(ranked[i])));
  return names;
}

bool Consume(std::string_view* token, std::string_view before, std::string_view after) {
  if (token->size() <= before.size() + after.size() || !token->starts_with(before) ||
      !token->ends_with(after)) {
    return false;
  }
  *token = token->substr(before.size(), token->size() - before.size() - after.size());
  return true;
}

}  // namespace

std::string_view LanguageName(std::string_view token) {
  Consume(&token, "__", "__") || Consume(&token, ">>", "<<") || Consume(&token, "<2", ">");
  return token;
}

absl::StatusOr<TokenId> Languages::Find(std::string_view name) const {
  for (const std::string_view spelling : {name, LanguageName(name)}) {
    if (const auto it = tokens.find(spelling); it != tokens.end()) return it->second;
  }
  return absl::InvalidArgumentError(absl::StrCat(Printable(name), " is none of the model's ",
                                                 tokens.size(), " languages; near it are ",
                                                 absl::StrJoin(NearNames(*this, name), ", ")));
}

}  // namespace transept
