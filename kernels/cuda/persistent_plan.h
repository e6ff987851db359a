// A decoder program as the persistent kernel walks it: one task after the other.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "kernels/cuda/bias_tables.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// What the kernel's shared memory and registers have room for.
inline constexpr int kMaxTasks = 200;
inline constexpr int kMaxDepth = 5120;  // of a product
inline constexpr int kOwnStrips = 16;   // of the hidden states, 8 features each, of a block
inline constexpr int kMaxHeadSize = 64;
inline constexpr int kMaxSplits = 4;  // of a head's keys in cross-attention

enum class TaskKind : uint8_t { kEmbed, kProduct, kSelfAttention, kCrossAttention };

// Hidden states start as a row of the table; each block keeps those of its features.
struct EmbedTask {
  const void* table;  // [vocab, features]
  float scale;
};

// What the RMS norm in front still owes a product: a factor, by the sum of squares that comes with
// the product's input. Width 0: there is none.
struct OwedNorm {
  int32_t width;
  float eps;
  float output_scale;
};

struct ProductTask {
  const void* weight;  // [features, depth], or [2 * features, depth]: gates, then up projections
  float* logits;       // where results go that are not published; null = they are
  OwedNorm owed;
  int32_t depth;
  ActivationFunction activation;
  bool gated;
  bool residual;  // adds to the hidden states and publishes those
};

struct AttentionTask {
  void* keys;  // pages
  void* values;
  const float* bias;  // BiasByDistance::values and ::reach
  int32_t reach;
  float scale;
  int32_t block_size;
  int16_t num_heads;
  int16_t num_kv_heads;
  int16_t head_size;
  int16_t splits;     // of the keys of a head
  uint32_t partials;  // word where a head's splits leave what they came to
};

// A task reads what the one in front of it published, and publishes `features` results itself.
struct Task {
  TaskKind kind;
  int32_t features;
  uint32_t in;  // word, as in persistent_exchange.cuh
  uint32_t out;
  // Of the RMS norm behind: results are published times this. Null = as they are.
  const float* norm_weight;
  union {
    EmbedTask embed;
    ProductTask product;
    AttentionTask attention;
  };
};

struct PersistentPlan {
  std::vector<Task> tasks;
  uint32_t num_words = 0;  // of the exchange
};

// The plan for `program` on a GPU of so many multiprocessors; none if the program is not what the
// kernel was made for: a decoder of the T5 family in bfloat16 whose heads are at most kMaxHeadSize
// wide. `biases` has been prepared for it.
std::optional<PersistentPlan> PlanPersistent(const Program& program, const BiasTables& biases,
                                             int multiprocessors);

}  // namespace transept::kernels::cuda
