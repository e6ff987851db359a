#include "engine/text/byte_trie.h"

#include <algorithm>

namespace transept {

ByteTrie::ByteTrie(std::vector<Entry> entries) {
  roots_.fill(kNone);
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.first < b.first; });
  // Breadth first: a node covers the adjacent entries that share its prefix, and its children are
  // appended together.
  struct Range {
    size_t begin, end, depth;
  };
  std::vector<Range> ranges;  // parallel to nodes_
  const auto add_children = [&](Range range) {
    size_t i = range.begin;
    while (i < range.end) {
      const uint8_t label = static_cast<uint8_t>(entries[i].first[range.depth]);
      size_t end = i + 1;
      while (end < range.end && static_cast<uint8_t>(entries[end].first[range.depth]) == label) {
        ++end;
      }
      ranges.push_back({i, end, range.depth + 1});
      nodes_.emplace_back();
      labels_.push_back(label);
      i = end;
    }
  };
  size_t first = 0;
  while (first < entries.size() && entries[first].first.empty()) ++first;
  add_children({first, entries.size(), 0});
  for (uint32_t i = 0; i < nodes_.size(); ++i) roots_[labels_[i]] = i;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Range range = ranges[i];
    while (range.begin < range.end && entries[range.begin].first.size() == range.depth) {
      nodes_[i].value = entries[range.begin++].second;
    }
    nodes_[i].first_child = static_cast<uint32_t>(nodes_.size());
    add_children(range);
    nodes_[i].num_children = static_cast<uint32_t>(nodes_.size()) - nodes_[i].first_child;
  }
}

uint32_t ByteTrie::Child(uint32_t node, uint8_t label) const {
  const auto begin = labels_.begin() + nodes_[node].first_child;
  const auto end = begin + nodes_[node].num_children;
  const auto it = std::lower_bound(begin, end, label);
  if (it == end || *it != label) return kNone;
  return static_cast<uint32_t>(it - labels_.begin());
}

}  // namespace transept
