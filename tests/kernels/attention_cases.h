// Batches for the attention tests: ragged sources, rows with a past in random blocks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kernels/inputs.h"
#include "kernels/operation.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cpu {

inline std::string Describe(const AttentionShape& shape) {
  return std::to_string(shape.num_heads) + " heads, " + std::to_string(shape.num_kv_heads) +
         " of keys, size " + std::to_string(shape.head_size);
}

// Values of several units, so that softmax is far from uniform.
struct BiasTable {
  BiasTable(int32_t num_heads, bool bidirectional)
      : values(RandomFloats(16 * num_heads, 99)), bidirectional(bidirectional) {
    for (float& value : values) value *= 3;
  }
  RelativeBias view() const { return {values.data(), 16, 50, bidirectional}; }

  std::vector<float> values;
  bool bidirectional;
};

// Packed sources of these lengths.
struct EncoderCase {
  explicit EncoderCase(const std::vector<int32_t>& lengths) : offsets(OffsetsOf(lengths)) {
    inputs.num_sources = static_cast<int32_t>(lengths.size());
    inputs.num_tokens = offsets.back();
    for (const int32_t length : lengths) {
      inputs.max_source_tokens = std::max(inputs.max_source_tokens, length);
      for (int32_t i = 0; i < length; ++i) positions.push_back(i);
    }
    inputs.offsets = offsets.data();
    inputs.positions = positions.data();
  }
  std::vector<int32_t> offsets, positions;
  EncoderInputs inputs;
};

// Of the activation buffers.
inline int64_t QkvWidth(const AttentionShape& shape) {
  return int64_t{shape.num_heads + 2 * shape.num_kv_heads} * shape.head_size;
}
inline int64_t QueryWidth(const AttentionShape& shape) {
  return int64_t{shape.num_heads} * shape.head_size;
}

// Rows with so many positions in the cache already and so many query tokens.
struct DecoderCase {
  struct Row {
    int32_t past;
    int32_t queries;
  };

  DecoderCase(const std::vector<Row>& rows, int32_t block_size)
      : tables(Lengths(rows), block_size, 3, 7) {
    std::vector<int32_t> queries;
    for (size_t row = 0; row < rows.size(); ++row) {
      queries.push_back(rows[row].queries);
      if (rows[row].queries == 0) inputs.empty_rows = true;
      for (int32_t i = 0; i < rows[row].queries; ++i) {
        const int32_t position = rows[row].past + i;
        positions.push_back(position);
        const int64_t block = tables.blocks[row * tables.stride + position / block_size];
        slots.push_back(block * block_size + position % block_size);
      }
    }
    query_offsets = OffsetsOf(queries);
    inputs.num_rows = static_cast<int32_t>(rows.size());
    inputs.num_tokens = query_offsets.back();
    inputs.positions = positions.data();
    inputs.query_offsets = query_offsets.data();
    inputs.self_slots = slots.data();
    inputs.block_tables = tables.blocks.data();
    inputs.block_table_stride = tables.stride;
  }

  static std::vector<int32_t> Lengths(const std::vector<Row>& rows) {
    std::vector<int32_t> lengths;
    for (const Row& row : rows) lengths.push_back(row.past + row.queries);
    return lengths;
  }

  BlockTables tables;
  std::vector<int32_t> positions, query_offsets;
  std::vector<int64_t> slots;
  DecoderInputs inputs;
};

// Sources of these lengths in random blocks from `first_block` on, each with so many rows.
struct SourcesCase {
  SourcesCase(std::vector<int32_t> source_lengths, const std::vector<int32_t>& rows_of_source,
              int32_t block_size, int32_t first_block, uint64_t seed)
      : lengths(std::move(source_lengths)),
        offsets(OffsetsOf(rows_of_source)),
        tables(lengths, block_size, first_block, seed) {}

  // `inputs` must not outlive this object.
  void AddTo(DecoderInputs* inputs) const {
    inputs->num_sources = static_cast<int32_t>(lengths.size());
    inputs->source_offsets = offsets.data();
    inputs->cross_block_tables = tables.blocks.data();
    inputs->cross_block_table_stride = tables.stride;
    inputs->cross_lengths = lengths.data();
  }

  std::vector<int32_t> lengths, offsets;
  BlockTables tables;
};

}  // namespace transept::kernels::cpu
