#include "engine/text/grapheme.h"

#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/types/require.h"

namespace transept {
namespace {

bool IsAscii(char c) {
  return static_cast<unsigned char>(c) < 0x80;
}

// Whether the cluster that starts at `at` is certainly that one character: ASCII before ASCII, but
// for a line end. Most text is, and costs no look into ICU.
bool IsSingleAscii(std::string_view text, size_t at) {
  return IsAscii(text[at]) && text[at] != '\r' && (at + 1 == text.size() || IsAscii(text[at + 1]));
}

}  // namespace

void GraphemeRules::Closer::operator()(UBreakIterator* iterator) const {
  ubrk_close(iterator);
}

GraphemeRules::GraphemeRules(Iterator prototype) : prototype_(std::move(prototype)) {}

absl::StatusOr<GraphemeRules> GraphemeRules::Load() {
  UErrorCode error = U_ZERO_ERROR;
  Iterator iterator(ubrk_open(UBRK_CHARACTER, "", nullptr, 0, &error));
  if (U_FAILURE(error)) {
    return absl::InternalError(
        absl::StrCat("ICU cannot load its grapheme rules: ", u_errorName(error)));
  }
  return GraphemeRules(std::move(iterator));
}

void GraphemeRules::ForEachCluster(std::string_view text,
                                   absl::FunctionRef<void(std::string_view)> visit) const {
  UErrorCode error = U_ZERO_ERROR;
  UText source = UTEXT_INITIALIZER;
  Iterator iterator;  // made when the first cluster needs it
  for (size_t start = 0; start < text.size();) {
    size_t end = start + 1;
    if (!IsSingleAscii(text, start)) {
      if (iterator == nullptr) {
        utext_openUTF8(&source, text.data(), static_cast<int64_t>(text.size()), &error);
        iterator.reset(ubrk_clone(prototype_.get(), &error));
        ubrk_setUText(iterator.get(), &source, &error);
        Require(U_SUCCESS(error), "ICU does not take a text");
      }
      end = static_cast<size_t>(ubrk_following(iterator.get(), static_cast<int32_t>(start)));
    }
    visit(text.substr(start, end - start));
    start = end;
  }
  iterator.reset();
  utext_close(&source);
}

}  // namespace transept
