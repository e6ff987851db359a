// Which blocks hold a row's self-attention K/V.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/cache/block_pool.h"

namespace transept {

// Blocks in the order of the positions they hold: position p lies in blocks()[p / block_size]. Owns
// one reference to each and gives it back when destroyed, so that blocks cannot leak. Tables only
// grow, until they are cleared, and may begin with blocks of another. Not thread-safe.
class BlockTable {
 public:
  // `pool` must outlive the table.
  explicit BlockTable(BlockPool* pool) : pool_(pool) {}
  ~BlockTable() { Clear(); }

  BlockTable(BlockTable&& other) noexcept;
  BlockTable& operator=(BlockTable&& other) noexcept;
  BlockTable(const BlockTable&) = delete;
  BlockTable& operator=(const BlockTable&) = delete;

  absl::Span<const BlockId> blocks() const { return blocks_; }
  int32_t size() const { return static_cast<int32_t>(blocks_.size()); }

  // Allocates until the table has `size` blocks; nothing if it has. REQUIRES:
  // pool->CanAllocate(size - this->size()).
  void GrowTo(int32_t size);

  // Begins with the first `size` blocks of `other`, which may go before this table does. REQUIRES:
  // this table is empty, has the same pool, and size <= other.size().
  void Share(const BlockTable& other, int32_t size);

  // Drops the references.
  void Clear();

 private:
  BlockPool* pool_;
  std::vector<BlockId> blocks_;
};

}  // namespace transept
