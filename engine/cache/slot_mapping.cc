#include "engine/cache/slot_mapping.h"

namespace transept {

void AppendSlots(const SlotRange& range, int32_t block_size, std::vector<int64_t>* slots) {
  for (int32_t i = range.first; i < range.first + range.count; ++i) {
    slots->push_back(int64_t{range.blocks[i / block_size]} * block_size + i % block_size);
  }
}

void AppendCrossSlots(absl::Span<const EncodeItem> encode, int32_t block_size,
                      std::vector<int64_t>* slots) {
  for (const EncodeItem& item : encode) {
    if (item.cross_blocks.empty()) {
      slots->insert(slots->end(), item.source.size(), -1);
      continue;
    }
    const SlotRange all = {item.cross_blocks, 0, static_cast<int32_t>(item.source.size())};
    AppendSlots(all, block_size, slots);
  }
}

}  // namespace transept
