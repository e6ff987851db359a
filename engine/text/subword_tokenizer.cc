#include "engine/text/subword_tokenizer.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "engine/text/byte_level.h"
#include "engine/text/space_cleanup.h"
#include "engine/text/subword_detokenizer.h"
#include "engine/text/utf8.h"

namespace transept {
namespace {

AddedTokenSplitter MakeSplitter(const std::vector<AddedToken>& tokens,
                                const Normalizer* normalizer) {
  std::vector<AddedToken> chosen;
  for (AddedToken token : tokens) {
    if (token.normalized != (normalizer != nullptr)) continue;
    if (normalizer != nullptr) token.content = normalizer->Normalize(token.content);
    chosen.push_back(std::move(token));
  }
  return AddedTokenSplitter(std::move(chosen));
}

// Of all ids that can be met.
TokenId LargestId(const SubwordModel& model, const AddedTokensById& added_tokens,
                  std::initializer_list<const std::vector<TokenId>*> other_ids) {
  TokenId largest = model.size() - 1;
  for (const auto& [id, token] : added_tokens) largest = std::max(largest, id);
  for (const auto* ids : other_ids) {
    for (const TokenId id : *ids) largest = std::max(largest, id);
  }
  return largest;
}

// Calls visit(word, at_start) for every maximal run without white space.
template <class Visit>
void ForEachRun(std::string_view text, Visit visit) {
  size_t start = 0;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = DecodeUtf8Char(text.substr(i));
    if (IsWhitespace(c.code_point)) {
      if (start < i) visit(text.substr(start, i - start), start == 0);
      start = i + c.length;
    }
    i += c.length;
  }
  if (start < text.size()) visit(text.substr(start), start == 0);
}

// The parts of `text` that start with each space mark, and what comes before the first.
template <class Visit>
void ForEachMarkedWord(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(kSpaceMark, 1));
    visit(word);
    text.remove_prefix(word.size());
  }
}

std::string MarkSpaces(std::string_view text, bool prefix) {
  std::string marked;
  marked.reserve(text.size() + kSpaceMark.size());
  if (prefix && !text.starts_with(' ') && !text.starts_with(kSpaceMark)) marked += kSpaceMark;
  for (const char c : text) {
    if (c == ' ') {
      marked += kSpaceMark;
    } else {
      marked += c;
    }
  }
  return marked;
}

}  // namespace

SubwordTokenizer::SubwordTokenizer(SubwordTokenizerOptions options)
    : model_(std::move(options.model)),
      added_tokens_(IndexById(options.added_tokens)),
      raw_splitter_(MakeSplitter(options.added_tokens, nullptr)),
      normalizer_(std::move(options.normalizer)),
      normalized_splitter_(MakeSplitter(options.added_tokens, normalizer_.get())),
      words_(options.words),
      prefix_tokens_(std::move(options.prefix_tokens)),
      suffix_tokens_(std::move(options.suffix_tokens)),
      decoding_(options.decoding),
      vocab_size_(LargestId(*model_, added_tokens_, {&prefix_tokens_, &suffix_tokens_}) + 1) {}

absl::StatusOr<std::vector<TokenId>> SubwordTokenizer::Encode(std::string_view text) const {
  auto ids = EncodeInside(text);
  if (!ids.ok()) return ids;
  ids->insert(ids->begin(), prefix_tokens_.begin(), prefix_tokens_.end());
  ids->insert(ids->end(), suffix_tokens_.begin(), suffix_tokens_.end());
  return ids;
}

absl::StatusOr<std::vector<TokenId>> SubwordTokenizer::EncodeInside(std::string_view text) const {
  const std::string valid = ReplaceInvalidUtf8(text);
  std::vector<TokenId> ids;
  const std::unique_ptr<WordEncoder> encoder = model_->NewEncoder();
  for (const AddedTokenSplitter::Part& raw : raw_splitter_.Split(valid)) {
    if (raw.id >= 0) {
      ids.push_back(raw.id);
      continue;
    }
    bool at_start = raw.text.data() == valid.data();
    const std::string normalized = normalizer_->Normalize(raw.text);
    for (const AddedTokenSplitter::Part& part : normalized_splitter_.Split(normalized)) {
      if (part.id >= 0) {
        ids.push_back(part.id);
      } else {
        EncodePart(part.text, at_start, encoder.get(), &ids);
      }
      at_start = false;
    }
  }
  return ids;
}

void SubwordTokenizer::EncodeByteLevel(std::string_view part, WordEncoder* encoder,
                                       std::vector<TokenId>* ids) const {
  std::string prefixed;
  if (words_.byte_level->prefix_space && !part.starts_with(' ')) {
    prefixed = " ";
    prefixed += part;
    part = prefixed;
  }
  std::string characters;
  const auto encode_word = [&](std::string_view word) {
    characters.clear();
    AppendByteCharacters(word, &characters);
    encoder->Encode(characters, ids);
  };
  if (words_.byte_level->split) {
    ForEachGpt2Word(part, encode_word);
  } else {
    encode_word(part);
  }
}

void SubwordTokenizer::EncodePart(std::string_view part, bool at_start, WordEncoder* encoder,
                                  std::vector<TokenId>* ids) const {
  if (words_.byte_level) {
    EncodeByteLevel(part, encoder, ids);
    return;
  }
  const auto encode_run = [&](std::string_view run, bool run_at_start) {
    if (!words_.mark_spaces) {
      encoder->Encode(run, ids);
      return;
    }
    const bool prefix = words_.prefix == WordRules::Prefix::kAlways ||
                        (words_.prefix == WordRules::Prefix::kFirst && at_start && run_at_start);
    const std::string marked = MarkSpaces(run, prefix);
    if (words_.split_at_space_marks) {
      ForEachMarkedWord(marked, [&](std::string_view word) { encoder->Encode(word, ids); });
    } else {
      encoder->Encode(marked, ids);
    }
  };
  if (words_.split_at_white_space) {
    ForEachRun(part, encode_run);
  } else {
    encode_run(part, true);
  }
}

std::unique_ptr<IncrementalDetokenizer> SubwordTokenizer::NewDetokenizer() const {
  std::unique_ptr<IncrementalDetokenizer> detokenizer =
      std::make_unique<SubwordDetokenizer>(model_.get(), &added_tokens_, decoding_);
  if (decoding_.strip_ends) detokenizer = WithStrippedEnds(std::move(detokenizer));
  if (decoding_.clean_up_spaces) return WithSpaceCleanup(std::move(detokenizer));
  return detokenizer;
}

std::string SubwordTokenizer::Piece(TokenId id) const {
  if (const auto it = added_tokens_.find(id); it != added_tokens_.end()) return it->second.content;
  return id >= 0 && id < model_->size() ? std::string(model_->piece(id)) : "";
}

}  // namespace transept
