#include "kernels/cpu/resources.h"

#include <algorithm>

#include "kernels/relative_bucket.h"

namespace transept::kernels::cpu {

const int32_t* BucketTables::Get(const RelativeBias& bias, int64_t reach) {
  auto table = std::find_if(tables_.begin(), tables_.end(), [&](const Table& t) {
    return t.num_buckets == bias.num_buckets && t.max_distance == bias.max_distance &&
           t.bidirectional == bias.bidirectional;
  });
  if (table == tables_.end()) {
    table =
        tables_.insert(table, {bias.num_buckets, bias.max_distance, bias.bidirectional, -1, {}});
  }
  if (table->reach < reach) {
    table->reach = std::max(2 * table->reach, reach);
    table->buckets.resize(2 * table->reach + 1);
    for (int64_t d = -table->reach; d <= table->reach; ++d) {
      table->buckets[d + table->reach] =
          RelativeBucket(d, bias.num_buckets, bias.max_distance, bias.bidirectional);
    }
  }
  return table->buckets.data() + table->reach;
}

}  // namespace transept::kernels::cpu
