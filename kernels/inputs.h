// What changes from step to step: the arrays a Program reads besides weights and caches. All
// pointers are on the device that runs the program and stay valid until the run has ended.
#pragma once

#include <cstdint>

namespace transept::kernels {

// The packed sources that are encoded in this step. No padding: source i is tokens
// [offsets[i], offsets[i + 1]).
struct EncoderInputs {
  int32_t num_sources = 0;
  int32_t num_tokens = 0;
  int32_t max_source_tokens = 0;       // of the longest source
  const int32_t* token_ids = nullptr;  // [num_tokens]
  const int32_t* positions = nullptr;  // [num_tokens] position within its source, from 0
  // [num_tokens] those that are embedded, where they are others; null = `positions`.
  const int32_t* embedded_positions = nullptr;
  const int32_t* offsets = nullptr;  // [num_sources + 1]
  // [num_tokens] where each token's cross K/V goes; negative = nowhere.
  const int64_t* cross_slots = nullptr;
};

// Tokens [begin, end) of a step.
struct TokenRange {
  int32_t begin = 0;
  int32_t end = 0;
};

// One decoder step. Row r has the query tokens [query_offsets[r], query_offsets[r + 1]), at
// consecutive positions: one when decoding, more when a prefix is (re)computed, and none when the
// last row in front that has some is fed just what this one would be. Rows of one request are
// adjacent: source i belongs to rows [source_offsets[i], source_offsets[i + 1]).
struct DecoderInputs {
  int32_t num_rows = 0;
  int32_t num_tokens = 0;
  const int32_t* token_ids = nullptr;           // [num_tokens]
  const int32_t* positions = nullptr;           // [num_tokens] target position, from 0
  const int32_t* embedded_positions = nullptr;  // as in EncoderInputs
  const int32_t* query_offsets = nullptr;       // [num_rows + 1]
  const int64_t* self_slots = nullptr;          // [num_tokens] where each token's self K/V goes

  const int32_t* block_tables = nullptr;  // [num_rows, block_table_stride]
  int64_t block_table_stride = 0;
  // Beams: position p of row r's past was written by the row
  // r + ancestry[beam_slots[r] * ancestry_stride + p] of this step. A row with a negative slot
  // wrote all of its past itself; null when every row did.
  const int8_t* ancestry = nullptr;     // [slots, ancestry_stride], in (-num_beams, num_beams)
  const int32_t* beam_slots = nullptr;  // [num_rows]
  int64_t ancestry_stride = 0;
  bool empty_rows = false;  // whether there are rows without query tokens

  int32_t num_sources = 0;
  const int32_t* source_offsets = nullptr;      // [num_sources + 1] in rows
  const int32_t* cross_block_tables = nullptr;  // [num_sources, cross_block_table_stride]
  int64_t cross_block_table_stride = 0;
  const int32_t* cross_lengths = nullptr;  // [num_sources] encoder positions
};

}  // namespace transept::kernels
