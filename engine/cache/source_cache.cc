#include "engine/cache/source_cache.h"

#include <utility>

#include "absl/hash/hash.h"
#include "engine/cache/kv_cache_spec.h"
#include "engine/types/require.h"

namespace transept {

size_t SourceCache::HashTokens::operator()(absl::Span<const TokenId> tokens) const {
  return absl::HashOf(tokens);
}

size_t SourceCache::HashTokens::operator()(const std::unique_ptr<Entry>& entry) const {
  return absl::HashOf(absl::MakeConstSpan(entry->tokens));
}

bool SourceCache::SameTokens::operator()(const std::unique_ptr<Entry>& a,
                                         absl::Span<const TokenId> b) const {
  return absl::MakeConstSpan(a->tokens) == b;
}

bool SourceCache::SameTokens::operator()(const std::unique_ptr<Entry>& a,
                                         const std::unique_ptr<Entry>& b) const {
  return a->tokens == b->tokens;
}

SourceCache::SourceCache(BlockPool* pool, int32_t block_size, bool keep_idle)
    : pool_(pool), block_size_(block_size), keep_idle_(keep_idle) {}

SourceCache::~SourceCache() {
  Clear();
  Require(entries_.empty(), "SourceCache destroyed before its users");
}

void SourceCache::Reclaim(int32_t count) {
  while (!pool_->CanAllocate(count)) {
    Require(!idle_.empty(), "SourceCache::Reclaim of more blocks than there are");
    Entry* const oldest = idle_.front();
    idle_.pop_front();
    idle_blocks_ -= static_cast<int32_t>(oldest->blocks.size());
    Erase(oldest);
  }
}

int32_t SourceCache::BlocksToAcquire(absl::Span<const TokenId> source) const {
  const auto found = entries_.find(source);
  if (found != entries_.end() && !idle(**found)) return 0;
  return BlocksFor(static_cast<int64_t>(source.size()), block_size_);
}

bool SourceCache::IsWritten(absl::Span<const TokenId> source) const {
  const auto found = entries_.find(source);
  return found != entries_.end() && (*found)->written_in > 0;
}

SourceRef SourceCache::Acquire(absl::Span<const TokenId> source) {
  Require(!source.empty(), "SourceCache::Acquire of an empty source");
  const auto found = entries_.find(source);
  Entry* const entry = found != entries_.end() ? found->get() : Insert(source);
  if (found != entries_.end() && idle(*entry)) {
    idle_.erase(entry->idle_at);
    idle_blocks_ -= static_cast<int32_t>(entry->blocks.size());
  }
  pool_->AddReference(entry->blocks);
  return SourceRef(this, entry);
}

SourceCache::Entry* SourceCache::Insert(absl::Span<const TokenId> source) {
  const int32_t count = BlocksFor(static_cast<int64_t>(source.size()), block_size_);
  Reclaim(count);
  auto entry = std::make_unique<Entry>();
  entry->tokens.assign(source.begin(), source.end());
  entry->blocks.reserve(count);
  for (int32_t i = 0; i < count; ++i) entry->blocks.push_back(pool_->Allocate());
  return entries_.insert(std::move(entry)).first->get();
}

void SourceCache::Release(Entry* entry) {
  pool_->Release(entry->blocks);
  if (!idle(*entry)) return;
  if (!keep_idle_ || entry->written_in == 0) {
    Erase(entry);
    return;
  }
  entry->idle_at = idle_.insert(idle_.end(), entry);
  idle_blocks_ += static_cast<int32_t>(entry->blocks.size());
}

void SourceCache::Erase(Entry* entry) {
  pool_->Release(entry->blocks);
  entries_.erase(entries_.find(absl::MakeConstSpan(entry->tokens)));
}

void SourceCache::Clear() {
  for (Entry* const entry : idle_) Erase(entry);
  idle_.clear();
  idle_blocks_ = 0;
}

SourceRef::SourceRef(SourceRef&& other) noexcept
    : cache_(other.cache_), entry_(std::exchange(other.entry_, nullptr)) {}

SourceRef& SourceRef::operator=(SourceRef&& other) noexcept {
  if (this != &other) {
    Reset();
    cache_ = other.cache_;
    entry_ = std::exchange(other.entry_, nullptr);
  }
  return *this;
}

SourceRef SourceRef::Share() const {
  cache_->pool_->AddReference(entry_->blocks);
  return SourceRef(cache_, entry_);
}

void SourceRef::Reset() {
  if (entry_ != nullptr) cache_->Release(std::exchange(entry_, nullptr));
}

}  // namespace transept
