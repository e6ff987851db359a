// For our own bugs: conditions that no input can break.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace transept {

// Ends the process with `what` when `condition` is false. Cheap enough for release builds.
inline void Require(bool condition, const char* what) {
  if (condition) [[likely]] {
    return;
  }
  std::fprintf(stderr, "transept: internal error: %s\n", what);
  std::abort();
}

}  // namespace transept
