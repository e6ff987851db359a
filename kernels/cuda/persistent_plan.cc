#include "kernels/cuda/persistent_plan.h"

#include <algorithm>
#include <map>

namespace transept::kernels::cuda {
namespace {

constexpr int kFeaturesOfWord = 4;
constexpr int kStrip = 8;   // features that a block takes at once
constexpr int kChunk = 64;  // columns that a warp takes at once

// Turns operations into tasks as long as they form the chain that the kernel walks.
class Planner {
 public:
  Planner(const BiasTables& biases, int multiprocessors)
      : biases_(biases), multiprocessors_(multiprocessors) {}

  // Each returns whether the operation fits into the chain.
  bool Add(const EmbedOp& op);
  bool Add(const NormOp& op);
  bool Add(const LinearOp& op);
  bool Add(const GatedLinearOp& op);
  bool Add(const SelfAttentionOp& op);
  bool Add(const CrossAttentionOp& op);
  bool Add(const GatherRowsOp& op);
  bool Add(const EncoderAttentionOp&) { return false; }
  bool Add(const ProjectCrossKvOp&) { return false; }

  // Whether the chain has come to its end.
  bool done() const { return ended_; }
  PersistentPlan plan() && { return std::move(plan_); }

 private:
  // The task that reads `in` and publishes `out`.
  Task* Append(TaskKind kind, const Activations& in, const Activations& out);
  bool Reads(const Activations& in) const {
    return !ended_ && unnormed_ == nullptr && in.data == published_;
  }
  bool AddProduct(const Matrix& weight, const Activations& in, const Activations& out,
                  const ProductTask& product);
  template <typename Op>
  bool AddAttention(TaskKind kind, const Op& op, const Activations& query);
  // Where the words of a buffer lie. Buffers that the program uses again are used again here.
  uint32_t WordsOf(const Activations& buffer);

  const BiasTables& biases_;
  const int multiprocessors_;
  PersistentPlan plan_;
  std::map<const void*, uint32_t> words_;
  const void* hidden_ = nullptr;     // the residual stream
  const void* unnormed_ = nullptr;   // it, where the last task left it to a norm
  const void* published_ = nullptr;  // the buffer that the last task stands for
  OwedNorm owed_ = {};               // to the next product
  bool ended_ = false;
};

uint32_t Planner::WordsOf(const Activations& buffer) {
  const auto [found, added] = words_.try_emplace(buffer.data, plan_.num_words);
  if (added) plan_.num_words += (buffer.stride + kFeaturesOfWord - 1) / kFeaturesOfWord;
  return found->second;
}

Task* Planner::Append(TaskKind kind, const Activations& in, const Activations& out) {
  Task& task = plan_.tasks.emplace_back();
  task.kind = kind;
  task.features = static_cast<int32_t>(out.width);
  task.in = in.data ? WordsOf(in) : 0;
  published_ = out.data;
  return &task;
}

bool Planner::Add(const EmbedOp& op) {
  if (!plan_.tasks.empty() || op.table.dtype != DataType::kBFloat16 || op.positions.data ||
      op.out.width % kStrip != 0 || op.out.width > kStrip * kOwnStrips * multiprocessors_) {
    return false;
  }
  Append(TaskKind::kEmbed, {}, op.out)->embed = {.table = op.table.data, .scale = op.scale};
  hidden_ = unnormed_ = op.out.data;
  return true;
}

bool Planner::Add(const NormOp& op) {
  if (plan_.tasks.empty() || op.kind != NormKind::kRms || op.stream.data ||
      op.in.data != unnormed_) {
    return false;
  }
  plan_.tasks.back().norm_weight = op.weight.data;
  plan_.tasks.back().out = WordsOf(op.out);
  owed_ = {static_cast<int32_t>(op.in.width), op.eps, op.output_scale};
  unnormed_ = nullptr;
  published_ = op.out.data;
  return true;
}

bool Planner::Add(const GatherRowsOp& op) {  // rows of one token are the tokens
  if (plan_.tasks.empty() || op.in.data != unnormed_) return false;
  unnormed_ = op.out.data;
  return true;
}

bool Planner::AddProduct(const Matrix& weight, const Activations& in, const Activations& out,
                         const ProductTask& product) {
  if (!Reads(in) || weight.dtype != DataType::kBFloat16 || weight.cols % kChunk != 0 ||
      weight.cols > kMaxDepth || reinterpret_cast<uintptr_t>(weight.data) % 16 != 0 ||
      (product.logits == nullptr && out.width % kStrip != 0)) {
    return false;
  }
  Task* task = Append(TaskKind::kProduct, in, out);
  task->product = product;
  task->product.weight = weight.data;
  task->product.depth = static_cast<int32_t>(weight.cols);
  task->product.owed = owed_;
  owed_ = {};
  if (product.residual) {
    unnormed_ = out.data;
  } else if (product.logits) {
    ended_ = true;
  } else {
    task->out = WordsOf(out);
  }
  return true;
}

bool Planner::Add(const LinearOp& op) {
  ProductTask product = {};
  product.activation = op.activation;
  product.residual = op.residual.data != nullptr;
  if (op.bias.data) return false;
  if (product.residual) {
    if (op.residual.data != hidden_ || op.out.data != hidden_ ||
        op.activation != ActivationFunction::kNone) {
      return false;
    }
  } else if (op.out.dtype == DataType::kFloat32) {
    product.logits = static_cast<float*>(op.out.data);
  } else if (op.out.dtype != DataType::kBFloat16) {
    return false;
  }
  return AddProduct(op.weight, op.in, op.out, product);
}

bool Planner::Add(const GatedLinearOp& op) {
  ProductTask product = {};
  product.activation = op.activation;
  product.gated = true;
  return AddProduct(op.weight, op.in, op.out, product);
}

template <typename Op>
bool Planner::AddAttention(TaskKind kind, const Op& op, const Activations& query) {
  const AttentionShape& shape = op.shape;
  if (!Reads(query) || op.cache.dtype != DataType::kBFloat16 || shape.head_size % 8 != 0 ||
      shape.head_size > kMaxHeadSize || owed_.width != 0) {
    return false;
  }
  Task* task = Append(kind, query, op.out);
  task->out = WordsOf(op.out);
  AttentionTask& attention = task->attention;
  attention.keys = op.cache.keys;
  attention.values = op.cache.values;
  attention.bias = nullptr;
  attention.reach = 0;
  attention.scale = shape.scale;
  attention.block_size = op.cache.block_size;
  attention.num_heads = static_cast<int16_t>(shape.num_heads);
  attention.num_kv_heads = static_cast<int16_t>(shape.num_kv_heads);
  attention.head_size = static_cast<int16_t>(shape.head_size);
  attention.splits = 1;
  return true;
}

bool Planner::Add(const SelfAttentionOp& op) {
  if (!AddAttention(TaskKind::kSelfAttention, op, op.qkv)) return false;
  const BiasByDistance bias = biases_.Get(op.bias);
  plan_.tasks.back().attention.bias = bias.values;
  plan_.tasks.back().attention.reach = bias.reach;
  return true;
}

bool Planner::Add(const CrossAttentionOp& op) {
  if (!AddAttention(TaskKind::kCrossAttention, op, op.query)) return false;
  AttentionTask& attention = plan_.tasks.back().attention;
  attention.splits =
      static_cast<int16_t>(std::clamp(multiprocessors_ / attention.num_heads, 1, kMaxSplits));
  // Of each layer its own; two sums a word.
  const int64_t words = int64_t{attention.num_heads} * attention.splits * attention.head_size / 2;
  attention.partials = WordsOf({.data = op.cache.keys, .stride = words * kFeaturesOfWord});
  return true;
}

}  // namespace

std::optional<PersistentPlan> PlanPersistent(const Program& program, const BiasTables& biases,
                                             int multiprocessors) {
  Planner planner(biases, multiprocessors);
  for (const Operation& operation : program.operations) {
    if (!std::visit([&](const auto& op) { return planner.Add(op); }, operation)) return {};
  }
  if (!planner.done()) return {};
  PersistentPlan plan = std::move(planner).plan();
  if (plan.tasks.size() > kMaxTasks) return {};
  return plan;
}

}  // namespace transept::kernels::cuda
