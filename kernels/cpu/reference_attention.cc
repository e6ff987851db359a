#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "kernels/cpu/paged_kv.h"
#include "kernels/cpu/reference.h"
#include "kernels/float16.h"
#include "kernels/relative_bucket.h"

namespace transept::kernels::cpu::reference {
namespace {

// One query and the keys it sees. The elements of key j begin at keys[offset(j)], those of its
// value at values[offset(j)].
struct Query {
  const float* query = nullptr;  // [head_size]
  float* out = nullptr;          // [head_size]
  int64_t num_keys = 0;
  const void* keys = nullptr;
  const void* values = nullptr;
  DataType dtype = DataType::kFloat32;
  std::function<int64_t(int64_t j)> offset;
  std::function<float(int64_t j)> bias;
};

// out = Σ_j softmax_j(scale q·k_j + bias_j) v_j; zero when there is no key.
void Attend(const AttentionShape& shape, const Query& q) {
  std::vector<double> weights(q.num_keys);
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t j = 0; j < q.num_keys; ++j) {
    const int64_t offset = q.offset(j);
    double dot = 0;
    for (int64_t i = 0; i < shape.head_size; ++i) {
      dot += static_cast<double>(q.query[i]) * LoadElement(q.keys, q.dtype, offset + i);
    }
    weights[j] = dot * shape.scale + q.bias(j);
    largest = std::max(largest, weights[j]);
  }
  double sum = 0;
  for (double& weight : weights) sum += weight = std::exp(weight - largest);
  std::vector<double> out(shape.head_size);
  for (int64_t j = 0; j < q.num_keys; ++j) {
    const int64_t offset = q.offset(j);
    for (int64_t i = 0; i < shape.head_size; ++i) {
      out[i] += weights[j] / sum * LoadElement(q.values, q.dtype, offset + i);
    }
  }
  std::copy(out.begin(), out.end(), q.out);
}

float BiasOf(const RelativeBias& bias, const AttentionShape& shape, int64_t head,
             int64_t distance) {
  if (bias.table == nullptr) return 0;
  const int32_t bucket =
      RelativeBucket(distance, bias.num_buckets, bias.max_distance, bias.bidirectional);
  return bias.table[bucket * shape.num_heads + head];
}

int64_t KvHead(const AttentionShape& shape, int64_t head) {
  return head / (shape.num_heads / shape.num_kv_heads);
}

}  // namespace

void Run(const EncoderAttentionOp& op, const Step& step) {
  const AttentionShape& shape = op.shape;
  const int64_t keys = static_cast<int64_t>(shape.num_heads) * shape.head_size;
  const int64_t values = keys + static_cast<int64_t>(shape.num_kv_heads) * shape.head_size;
  for (int64_t source = 0; source < step.num_rows; ++source) {
    const int64_t begin = step.offsets[source];
    const int64_t length = step.offsets[source + 1] - begin;
    for (int64_t t = 0; t < length; ++t) {
      for (int64_t head = 0; head < shape.num_heads; ++head) {
        const float* source_rows = RowOf(op.qkv, begin) + KvHead(shape, head) * shape.head_size;
        Query q;
        q.query = RowOf(op.qkv, begin + t) + head * shape.head_size;
        q.out = RowOf(op.out, begin + t) + head * shape.head_size;
        q.num_keys = length;
        q.keys = source_rows + keys;
        q.values = source_rows + values;
        q.offset = [&](int64_t j) { return j * op.qkv.stride; };
        q.bias = [&](int64_t j) { return BiasOf(op.bias, shape, head, j - t); };
        Attend(shape, q);
      }
    }
  }
}

void Run(const SelfAttentionOp& op, const Step& step) {
  const AttentionShape& shape = op.shape;
  const PagedKv& cache = op.cache;
  const DecoderInputs& inputs = *step.decoder;
  const int64_t keys = static_cast<int64_t>(shape.num_heads) * shape.head_size;
  const int64_t values = keys + static_cast<int64_t>(shape.num_kv_heads) * shape.head_size;
  for (int64_t t = 0; t < step.num_tokens; ++t) {
    for (int64_t head = 0; head < shape.num_kv_heads; ++head) {
      const int64_t slot = SlotOffset(cache, inputs.self_slots[t], head);
      for (int64_t i = 0; i < shape.head_size; ++i) {
        const float* in = RowOf(op.qkv, t) + head * shape.head_size + i;
        StoreElement(cache.keys, cache.dtype, slot + i, in[keys]);
        StoreElement(cache.values, cache.dtype, slot + i, in[values]);
      }
    }
  }
  for (int64_t row = 0; row < inputs.num_rows; ++row) {
    for (int64_t t = inputs.query_offsets[row]; t < inputs.query_offsets[row + 1]; ++t) {
      const int64_t position = inputs.positions[t];
      for (int64_t head = 0; head < shape.num_heads; ++head) {
        Query q;
        q.query = RowOf(op.qkv, t) + head * shape.head_size;
        q.out = RowOf(op.out, t) + head * shape.head_size;
        q.num_keys = position + 1;
        q.keys = cache.keys;
        q.values = cache.values;
        q.dtype = cache.dtype;
        q.offset = [&](int64_t j) {
          return SlotOffset(cache, SelfSlot(inputs, cache, row, j), KvHead(shape, head));
        };
        q.bias = [&](int64_t j) { return BiasOf(op.bias, shape, head, j - position); };
        Attend(shape, q);
      }
    }
  }
}

void Run(const CrossAttentionOp& op, const Step& step) {
  const AttentionShape& shape = op.shape;
  const PagedKv& cache = op.cache;
  const DecoderInputs& inputs = *step.decoder;
  for (int64_t source = 0; source < inputs.num_sources; ++source) {
    const int64_t begin = inputs.query_offsets[inputs.source_offsets[source]];
    const int64_t end = inputs.query_offsets[inputs.source_offsets[source + 1]];
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t head = 0; head < shape.num_heads; ++head) {
        Query q;
        q.query = RowOf(op.query, t) + head * shape.head_size;
        q.out = RowOf(op.out, t) + head * shape.head_size;
        q.num_keys = inputs.cross_lengths[source];
        q.keys = cache.keys;
        q.values = cache.values;
        q.dtype = cache.dtype;
        q.offset = [&](int64_t j) {
          return SlotOffset(cache, CrossSlot(inputs, cache, source, j), KvHead(shape, head));
        };
        q.bias = [](int64_t) { return 0.0f; };
        Attend(shape, q);
      }
    }
  }
}

}  // namespace transept::kernels::cpu::reference
