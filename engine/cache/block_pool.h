// The blocks of the K/V cache as numbers: which are free, and how many hold on to the others. The
// memory behind them belongs to the runner; what is in them to whoever holds them.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/types/batch.h"

namespace transept {

// One pool serves self- and cross-attention pages: there is no fixed split between them. A block id
// names the same block in every decoder layer. Not thread-safe.
class BlockPool {
 public:
  // Blocks 0 .. num_blocks - 1, all free. REQUIRES: num_blocks >= 0.
  explicit BlockPool(int32_t num_blocks);

  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  int32_t num_blocks() const { return static_cast<int32_t>(references_.size()); }
  int32_t num_free() const { return static_cast<int32_t>(free_.size()); }
  int32_t num_used() const { return num_blocks() - num_free(); }
  bool CanAllocate(int32_t count) const { return count <= num_free(); }

  // A free block, with one reference. O(1). REQUIRES: CanAllocate(1).
  BlockId Allocate();

  // Adds or drops one reference to each of `blocks`, which must be in use. A block without
  // references is free again.
  void AddReference(absl::Span<const BlockId> blocks);
  void Release(absl::Span<const BlockId> blocks);

  // 0 for a free block.
  int32_t references(BlockId block) const { return references_[block]; }

 private:
  std::vector<int32_t> references_;  // [num_blocks]
  std::vector<BlockId> free_;        // a stack: the block freed last is the one still in the caches
};

}  // namespace transept
