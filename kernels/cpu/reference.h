// Plain scalar versions of all operations: the oracle of every vectorised and device kernel, and
// what AttentionKernel::kReference runs. Any shape; slow.
#pragma once

#include "kernels/cpu/step.h"
#include "kernels/operation.h"

namespace transept::kernels::cpu::reference {

float Activate(ActivationFunction function, float x);

void Run(const EmbedOp& op, const Step& step);
void Run(const NormOp& op, const Step& step);
void Run(const LinearOp& op, const Step& step);
void Run(const GatedLinearOp& op, const Step& step);
void Run(const EncoderAttentionOp& op, const Step& step);
void Run(const SelfAttentionOp& op, const Step& step);
void Run(const CrossAttentionOp& op, const Step& step);
void Run(const ProjectCrossKvOp& op, const Step& step);
void Run(const GatherRowsOp& op, const Step& step);

// All operations in order.
void Run(const Program& program, const Step& step);

}  // namespace transept::kernels::cpu::reference
