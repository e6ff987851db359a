#include "engine/cache/block_pool.h"

#include <numeric>

#include "engine/types/require.h"

namespace transept {

BlockPool::BlockPool(int32_t num_blocks) : references_(num_blocks, 0), free_(num_blocks) {
  // Block 0 is on top of the stack.
  std::iota(free_.rbegin(), free_.rend(), 0);
}

BlockId BlockPool::Allocate() {
  Require(!free_.empty(), "BlockPool::Allocate without a free block");
  const BlockId block = free_.back();
  free_.pop_back();
  references_[block] = 1;
  return block;
}

void BlockPool::AddReference(absl::Span<const BlockId> blocks) {
  for (const BlockId block : blocks) {
    Require(references_[block] > 0, "BlockPool::AddReference to a free block");
    ++references_[block];
  }
}

void BlockPool::Release(absl::Span<const BlockId> blocks) {
  for (const BlockId block : blocks) {
    Require(references_[block] > 0, "BlockPool::Release of a free block");
    if (--references_[block] == 0) free_.push_back(block);
  }
}

}  // namespace transept
