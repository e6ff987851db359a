// Grapheme clusters: what a reader takes for one character.
#pragma once

#include <memory>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

struct UBreakIterator;  // ICU's

namespace transept {

// Unicode's rules for cluster boundaries (UAX #29), from ICU. Immutable and thread-safe.
class GraphemeRules {
 public:
  // INTERNAL if ICU's data is not installed.
  static absl::StatusOr<GraphemeRules> Load();

  // Calls `visit` for each cluster of `text`, valid UTF-8, in order.
  void ForEachCluster(std::string_view text, absl::FunctionRef<void(std::string_view)> visit) const;

 private:
  struct Closer {
    void operator()(UBreakIterator* iterator) const;
  };
  using Iterator = std::unique_ptr<UBreakIterator, Closer>;

  explicit GraphemeRules(Iterator prototype);

  Iterator prototype_;  // only ever cloned
};

}  // namespace transept
