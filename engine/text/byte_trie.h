// An immutable set of byte strings with values, searched for the prefixes of a text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace transept {

// Thread-safe after construction.
class ByteTrie {
 public:
  using Entry = std::pair<std::string_view, int32_t>;

  ByteTrie() : ByteTrie(std::vector<Entry>{}) {}
  // The keys need to live during construction only. Empty keys are left out; of equal keys the last
  // one's value counts.
  explicit ByteTrie(std::vector<Entry> entries);

  // Calls visit(length, value) for every key that `text` starts with, shortest first.
  template <class Visit>
  void ForEachPrefix(std::string_view text, Visit visit) const {
    if (text.empty()) return;
    uint32_t node = roots_[static_cast<uint8_t>(text[0])];
    for (size_t length = 1; node != kNone; ++length) {
      if (nodes_[node].value >= 0) visit(length, nodes_[node].value);
      if (length == text.size()) return;
      node = Child(node, static_cast<uint8_t>(text[length]));
    }
  }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};

  struct Node {
    uint32_t first_child = 0;  // children are adjacent, ordered by label
    uint32_t num_children = 0;
    int32_t value = -1;
  };

  uint32_t Child(uint32_t node, uint8_t label) const;

  std::array<uint32_t, 256> roots_;
  std::vector<Node> nodes_;
  std::vector<uint8_t> labels_;  // of the edge into each node
};

}  // namespace transept
