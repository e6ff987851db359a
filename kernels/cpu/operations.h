// The vectorised CPU implementation of every operation, parallel over the pool.
#pragma once

#include "kernels/cpu/resources.h"
#include "kernels/cpu/step.h"
#include "kernels/operation.h"

namespace transept::kernels::cpu {

// kernels/operation.h says what each computes. For equal operands a row of the result has equal
// bits, whatever the number of threads and whatever else is in the step.
void Run(const EmbedOp& op, const Step& step, Resources& resources);
void Run(const NormOp& op, const Step& step, Resources& resources);
void Run(const LinearOp& op, const Step& step, Resources& resources);
void Run(const GatedLinearOp& op, const Step& step, Resources& resources);
void Run(const EncoderAttentionOp& op, const Step& step, Resources& resources);
void Run(const SelfAttentionOp& op, const Step& step, Resources& resources);
void Run(const CrossAttentionOp& op, const Step& step, Resources& resources);
void Run(const ProjectCrossKvOp& op, const Step& step, Resources& resources);
void Run(const GatherRowsOp& op, const Step& step, Resources& resources);

}  // namespace transept::kernels::cpu
