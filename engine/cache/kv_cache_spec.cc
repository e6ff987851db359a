#include "engine/cache/kv_cache_spec.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

namespace transept {
namespace {

std::string Describe(const KvCacheSpec& spec) {
  return absl::StrCat(spec.num_kv_heads, " heads of ", spec.head_size, " ",
                      kernels::Name(spec.dtype), " values at ", spec.block_size, " positions");
}

}  // namespace

int64_t KvCacheSpec::page_bytes() const {
  const int64_t values = int64_t{block_size} * num_kv_heads * head_size;
  return 2 * values * static_cast<int64_t>(kernels::SizeOf(dtype));
}

absl::StatusOr<int32_t> PoolBlocks(const SelfAttentionSpec& self, const CrossAttentionSpec& cross,
                                   int32_t num_layers, int64_t bytes) {
  const KvCacheSpec& self_page = self;
  const KvCacheSpec& cross_page = cross;
  if (!(self_page == cross_page)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "self- and cross-attention pages differ: ", Describe(self), "; ", Describe(cross)));
  }
  const int64_t block_bytes = num_layers * self.page_bytes();
  if (block_bytes <= 0) {
    return absl::InvalidArgumentError(absl::StrCat("a K/V block of ", num_layers, " layers with ",
                                                   Describe(self), " has no size: ", block_bytes,
                                                   " bytes"));
  }
  const int64_t blocks = bytes / block_bytes;
  if (blocks < 1) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a K/V cache of ", bytes, " bytes holds not one block of ", block_bytes,
                     " bytes (", num_layers, " layers, ", Describe(self), ")"));
  }
  return static_cast<int32_t>(std::min<int64_t>(blocks, std::numeric_limits<int32_t>::max()));
}

}  // namespace transept
