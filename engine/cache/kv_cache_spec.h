// What attention layers keep of a sequence in the paged K/V cache, as arithmetic: bytes and blocks.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "kernels/dtype.h"

namespace transept {

// Blocks that hold `positions` positions: ceil(positions / block_size). REQUIRES: positions >= 0,
// block_size > 0.
constexpr int32_t BlocksFor(int64_t positions, int32_t block_size) {
  return static_cast<int32_t>((positions + block_size - 1) / block_size);
}

// The pages of one attention layer. A layer without a K/V cache (encoder self-attention) has the
// default value: no heads, zero bytes.
struct KvCacheSpec {
  int32_t block_size = 16;  // positions in a page
  int32_t num_kv_heads = 0;
  int32_t head_size = 0;
  kernels::DataType dtype = kernels::DataType::kFloat32;

  // Bytes of one page: the keys and the values of block_size positions.
  int64_t page_bytes() const;

  bool operator==(const KvCacheSpec&) const = default;
};

// Decoder self-attention: one page more each time a row has filled its last.
struct SelfAttentionSpec : KvCacheSpec {
  // Pages a row of `length` target positions needs.
  int32_t blocks(int64_t length) const { return BlocksFor(length, block_size); }
};

// Cross-attention: all pages at once, written on the step that encodes the source, read ever after.
struct CrossAttentionSpec : KvCacheSpec {
  // Pages a source of `length` encoder positions needs.
  int32_t blocks(int64_t length) const { return BlocksFor(length, block_size); }
};

// How many blocks of a pool that serves `num_layers` decoder layers fit into `bytes`. A block is a
// page in every layer, and each layer has one cache for its self- and cross-attention pages, which
// must therefore be alike: INVALID_ARGUMENT when they differ or have no size; RESOURCE_EXHAUSTED
// when not even one block fits.
absl::StatusOr<int32_t> PoolBlocks(const SelfAttentionSpec& self, const CrossAttentionSpec& cross,
                                   int32_t num_layers, int64_t bytes);

}  // namespace transept
