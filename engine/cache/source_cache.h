// Sources by content, and the cross-attention blocks that hold their K/V.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/types/span.h"
#include "engine/cache/block_pool.h"
#include "engine/types/batch.h"

namespace transept {

class SourceRef;

// Requests with the same source share one set of cross blocks; when the last of them has ended, the
// blocks stay for the next one until they are needed elsewhere, least recently used first.
//
// The cache holds one reference to each block of an entry, and every user one more. An entry is
// idle when the cache alone holds its blocks. Not thread-safe.
class SourceCache {
 public:
  // With `keep_idle` false an entry goes with its last user; sources in use are still shared.
  // `pool` must outlive the cache, and the cache every SourceRef it gave out.
  SourceCache(BlockPool* pool, int32_t block_size, bool keep_idle);
  ~SourceCache();

  SourceCache(const SourceCache&) = delete;
  SourceCache& operator=(const SourceCache&) = delete;

  // Whether `count` blocks are free or idle.
  bool CanReclaim(int32_t count) const { return count <= pool_->num_free() + idle_blocks_; }

  // Evicts idle entries until `count` blocks are free. REQUIRES: CanReclaim(count).
  void Reclaim(int32_t count);

  // How many blocks Acquire(source) takes from those that are free or idle: none when the entry is
  // in use already.
  int32_t BlocksToAcquire(absl::Span<const TokenId> source) const;

  // Whether Acquire(source) would find its K/V written.
  bool IsWritten(absl::Span<const TokenId> source) const;

  // A share in the entry for exactly these tokens: one that exists, or a new one that is not
  // written yet, for whose blocks idle entries may be evicted. REQUIRES: `source` is not empty and
  // CanReclaim(BlocksToAcquire(source)).
  SourceRef Acquire(absl::Span<const TokenId> source);

  // Forgets the idle entries: what their blocks hold can no longer be trusted, or is not worth
  // keeping.
  void Clear();

  // Blocks of idle entries: in use as the pool sees it, but to be had.
  int32_t idle_blocks() const { return idle_blocks_; }

 private:
  friend class SourceRef;

  struct Entry {
    std::vector<TokenId> tokens;
    std::vector<BlockId> blocks;          // never empty
    uint64_t written_in = 0;              // a step, 0 = none yet; see SourceRef::written
    std::list<Entry*>::iterator idle_at;  // in idle_, valid while idle
  };
  // Found by hash, but equal only if all tokens are.
  struct HashTokens {
    using is_transparent = void;
    size_t operator()(absl::Span<const TokenId> tokens) const;
    size_t operator()(const std::unique_ptr<Entry>& entry) const;
  };
  struct SameTokens {
    using is_transparent = void;
    bool operator()(const std::unique_ptr<Entry>& a, absl::Span<const TokenId> b) const;
    bool operator()(const std::unique_ptr<Entry>& a, const std::unique_ptr<Entry>& b) const;
  };

  bool idle(const Entry& entry) const { return pool_->references(entry.blocks.front()) == 1; }
  Entry* Insert(absl::Span<const TokenId> source);
  void Release(Entry* entry);  // by one user
  void Erase(Entry* entry);    // REQUIRES: idle, and no longer in idle_

  BlockPool* const pool_;
  const int32_t block_size_;
  const bool keep_idle_;
  absl::flat_hash_set<std::unique_ptr<Entry>, HashTokens, SameTokens> entries_;
  std::list<Entry*> idle_;  // least recently used first
  int32_t idle_blocks_ = 0;
};

// One user's share in a source's cross blocks; given back when destroyed. Null by default. Movable.
class SourceRef {
 public:
  SourceRef() = default;
  ~SourceRef() { Reset(); }

  SourceRef(SourceRef&& other) noexcept;
  SourceRef& operator=(SourceRef&& other) noexcept;

  explicit operator bool() const { return entry_ != nullptr; }
  void Reset();
  // Another user's. REQUIRES: not null.
  SourceRef Share() const;

  // REQUIRES of all below: not null. The spans are valid until the share is given back.
  absl::Span<const TokenId> tokens() const { return entry_->tokens; }
  absl::Span<const BlockId> blocks() const { return entry_->blocks; }
  int32_t length() const { return static_cast<int32_t>(entry_->tokens.size()); }

  // Whether the source's K/V is, or is being, written to the blocks, as stated by who has it
  // encoded.
  bool written() const { return entry_->written_in > 0; }
  // The step, > 0, that has it encoded; 0 = none yet, or null.
  uint64_t written_in() const { return entry_ == nullptr ? 0 : entry_->written_in; }
  void MarkWritten(uint64_t step) { entry_->written_in = step; }

 private:
  friend class SourceCache;
  SourceRef(SourceCache* cache, SourceCache::Entry* entry) : cache_(cache), entry_(entry) {}

  SourceCache* cache_ = nullptr;
  SourceCache::Entry* entry_ = nullptr;
};

}  // namespace transept
