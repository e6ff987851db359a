#include "engine/text/marian_tokenizer.h"

#include <utility>

#include "engine/text/utf8.h"

namespace transept {

std::string_view LeadingCode(std::string_view text) {
  if (!text.starts_with(">>")) return "";
  const size_t end = text.find("<<");
  return end == std::string_view::npos ? "" : text.substr(0, end + 2);
}

MarianTokenizer::MarianTokenizer(Options options)
    : options_(std::move(options)), splitter_(options_.added_tokens) {}

absl::StatusOr<std::vector<TokenId>> MarianTokenizer::Encode(std::string_view text) const {
  const std::string valid = ReplaceInvalidUtf8(text);
  std::vector<TokenId> ids;
  for (const AddedTokenSplitter::Part& part : splitter_.Split(valid)) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    const std::string_view code = LeadingCode(part.text);
    if (!code.empty()) {
      const auto it = options_.codes.find(absl::string_view(code.data(), code.size()));
      ids.push_back(it == options_.codes.end() ? options_.unknown_id : it->second);
    }
    auto pieces = options_.pieces->Encode(part.text.substr(code.size()));
    if (!pieces.ok()) return pieces;
    ids.insert(ids.end(), pieces->begin(), pieces->end());
  }
  return ids;
}

}  // namespace transept
