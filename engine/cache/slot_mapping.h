// Where in the K/V cache the positions of a sequence lie. A slot is block * block_size + offset, as
// kernels::PagedKv defines it.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/types/batch.h"

namespace transept {

// Positions first .. first + count - 1 of a sequence whose K/V lies in `blocks`.
struct SlotRange {
  absl::Span<const BlockId> blocks;  // covers all positions of the range
  int32_t first = 0;
  int32_t count = 0;
};

// Appends the slots of the positions in order: a row's self-attention slots in a step.
void AppendSlots(const SlotRange& range, int32_t block_size, std::vector<int64_t>* slots);

// The cross slot mapping of a step: for each source to encode, in order, and each of its positions
// i, cross_blocks[i / block_size] * block_size + i % block_size is appended to `slots`, or -1 where
// there are no blocks. Nothing for a step that encodes nothing.
void AppendCrossSlots(absl::Span<const EncodeItem> encode, int32_t block_size,
                      std::vector<int64_t>* slots);

}  // namespace transept
