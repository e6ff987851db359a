#include "engine/cache/block_table.h"

#include <utility>

#include "engine/types/require.h"

namespace transept {

BlockTable::BlockTable(BlockTable&& other) noexcept
    : pool_(other.pool_), blocks_(std::exchange(other.blocks_, {})) {}

BlockTable& BlockTable::operator=(BlockTable&& other) noexcept {
  if (this != &other) {
    Clear();
    pool_ = other.pool_;
    blocks_ = std::exchange(other.blocks_, {});
  }
  return *this;
}

void BlockTable::GrowTo(int32_t size) {
  while (this->size() < size) blocks_.push_back(pool_->Allocate());
}

void BlockTable::Share(const BlockTable& other, int32_t size) {
  Require(blocks_.empty() && pool_ == other.pool_ && size <= other.size(),
          "a block table cannot begin with another");
  blocks_.assign(other.blocks_.begin(), other.blocks_.begin() + size);
  pool_->AddReference(blocks_);
}

void BlockTable::Clear() {
  pool_->Release(blocks_);
  blocks_.clear();
}

}  // namespace transept
