// The logits of a step, from a kernel that chooses among them as it makes them.
#pragma once

#include "kernels/cuda/device.h"
#include "kernels/cuda/select.h"
#include "kernels/operation.h"

namespace transept::kernels::cuda {

// Most rows the kernel takes.
inline constexpr int64_t kMaxLogitRows = 128;

// Whether the kernel serves `op` for so many rows, at least one: on an H100 or H200, in 16 bits, a
// vocabulary that kernels of few rows do not serve (skinny.h), and so without norms around it.
bool MakesLogits(const LinearOp& op, int64_t rows, const Device& device);

// Room for the summaries of kMaxLogitRows rows.
size_t LogitSummaryBytes(const Device& device);

// Runs `op`, whose results are choice->logits, for the rows of the choice. Rows that take the most
// likely token, after bans of whole sets at most, are not written: of these `summaries` has what
// each thread block found, and the choice says so. Of the contents of other rows a row's result is
// independent; of how many there are, but for the last bits of its log-probability.
void MakeLogits(const LinearOp& op, Summary* summaries, TokenChoice* choice, Device& device);

}  // namespace transept::kernels::cuda
