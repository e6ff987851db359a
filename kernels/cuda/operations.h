// The operations of kernels/operation.h on a GPU, one function each, and what they receive besides
// their parameters. Errors go to the device.
#pragma once

#include "kernels/cuda/bias_tables.h"
#include "kernels/cuda/blas.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/fusion.h"
#include "kernels/cuda/select.h"
#include "kernels/cuda/split_norm.h"
#include "kernels/inputs.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// The inputs of one run. Exactly one of `encoder` and `decoder` is set.
struct Step {
  Step(const EncoderInputs& inputs, cudaEvent_t pages_free)
      : encoder(&inputs),
        pages_free(pages_free),
        num_tokens(inputs.num_tokens),
        num_rows(inputs.num_sources),
        token_ids(inputs.token_ids),
        positions(inputs.positions),
        embedded_positions(inputs.embedded_positions ? inputs.embedded_positions
                                                     : inputs.positions) {}
  Step(const DecoderInputs& inputs, TokenChoice* choice)
      : decoder(&inputs),
        choice(choice),
        num_tokens(inputs.num_tokens),
        num_rows(inputs.num_rows),
        token_ids(inputs.token_ids),
        positions(inputs.positions),
        embedded_positions(inputs.embedded_positions ? inputs.embedded_positions
                                                     : inputs.positions) {}

  int64_t Rows(Extent extent) const { return extent == Extent::kTokens ? num_tokens : num_rows; }

  const EncoderInputs* encoder = nullptr;
  const DecoderInputs* decoder = nullptr;
  TokenChoice* choice = nullptr;     // Executor::Run
  cudaEvent_t pages_free = nullptr;  // when sources may go to the K/V pages; null = at once
  int64_t num_tokens;
  int64_t num_rows;  // decoder rows, or sources when encoding
  const int32_t* token_ids;
  const int32_t* positions;
  const int32_t* embedded_positions;
};

// A deep product with the residual stream as it is left when a norm of the stream runs next: sums
// over parts of the depth, for the norm's kernel to add up.
struct PartialSums {
  const float* sums = nullptr;  // [parts, rows, width]; null = none
  int32_t parts = 0;
  const float* bias = nullptr;  // [width] or null
};
inline constexpr int32_t kMaxNormParts = 4;
inline constexpr int64_t kMaxPartialSums = int64_t{1} << 21;  // floats of all parts

// Whether the norm's kernel can add up partial sums.
bool CanAddParts(const NormOp& op);

struct Resources {
  Device& device;
  Blas blas;
  BiasTables biases;
  // Of the two split norms that were written last.
  RowSums* sums[2] = {};  // [kMaxSkinnyRows, PartStride(parts)], room for kMaxParts
  int32_t parts[2] = {};
  // Room for kMaxPartialSums, and what of it waits for its norm.
  float* partial_sums = nullptr;
  PartialSums left = {};
  Summary* logit_summaries = nullptr;  // LogitSummaryBytes
};

void Run(const LinearOp& op, const Step& step, Resources& resources,
         const PlannedOperation& planned);
void Run(const EmbedOp& op, const Step& step, Resources& resources,
         const PlannedOperation& planned);
void Run(const GatedLinearOp& op, const Step& step, Resources& resources,
         const PlannedOperation& planned);
void Run(const NormOp& op, const Step& step, Resources& resources, const PlannedOperation& planned);
void Run(const EncoderAttentionOp& op, const Step& step, Resources& resources);
void Run(const SelfAttentionOp& op, const Step& step, Resources& resources);
void Run(const CrossAttentionOp& op, const Step& step, Resources& resources);
void Run(const ProjectCrossKvOp& op, const Step& step, Resources& resources);
void Run(const GatherRowsOp& op, const Step& step, Resources& resources);

}  // namespace transept::kernels::cuda
