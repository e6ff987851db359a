// Vectorised attention of a few queries over keys that they share.
#pragma once

#include <cstdint>

#include "kernels/dtype.h"

namespace transept::kernels::cpu {

// `count` keys whose elements lie key_stride apart, the first at `offset`; likewise their values.
struct KeyRange {
  int64_t offset = 0;  // in elements
  int64_t count = 0;
};

// One head's keys and values, in the order of their positions.
struct KeyView {
  const void* keys = nullptr;
  const void* values = nullptr;
  DataType dtype = DataType::kFloat32;
  int64_t key_stride = 0;
  const KeyRange* ranges = nullptr;
  int64_t num_ranges = 0;
  int64_t num_keys = 0;  // Σ ranges[i].count
};

struct Query {
  const float* bias = nullptr;  // [visible] added to the scores; null = 0
  float* out = nullptr;         // [head_size]
  int64_t visible = 0;          // keys it may attend to: the first so many
};

// Queries of one call: enough to reuse keys from the first-level cache, few enough for the scores
// of a long source to stay in the second.
inline constexpr int64_t kMaxQueries = 24;

// Floats after a row of scores or biases that vector loads may touch.
inline constexpr int64_t kScorePadding = 16;

// out_q = Σ_j softmax_j(q·k_j + bias_qj) v_j over the visible keys; zero when there is none.
struct Attention {
  KeyView view;
  int64_t head_size = 0;
  const float* queries = nullptr;  // [num_queries, head_size], scaled
  const Query* query = nullptr;    // [num_queries]
  int64_t num_queries = 0;         // <= kMaxQueries
  float* scores = nullptr;         // scratch: [num_queries, scores_stride]
  int64_t scores_stride = 0;       // >= num_keys + kScorePadding
};

// Each query's result depends on nothing but its own operands, to the last bit.
void Attend(const Attention& attention);

}  // namespace transept::kernels::cpu
