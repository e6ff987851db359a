// Operations that treat every row on its own.
#include <algorithm>

#include "kernels/cpu/operations.h"
#include "kernels/cpu/simd/rows.h"

namespace transept::kernels::cpu {
namespace {

// Rows of this width that are worth another thread's attention.
int64_t Grain(int64_t width) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(width, 1));
}

}  // namespace

void Run(const EmbedOp& op, const Step& step, Resources& resources) {
  const auto row_of = [](const Matrix& matrix, int64_t row) {
    return static_cast<const char*>(matrix.data) + row * matrix.cols * SizeOf(matrix.dtype);
  };
  const auto embed = [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      ReadRow row;
      row.from = row_of(op.table, step.token_ids[t]);
      row.dtype = op.table.dtype;
      row.scale = op.scale * (op.table.scales ? op.table.scales[step.token_ids[t]] : 1.0f);
      row.to = RowOf(op.out, t);
      row.count = op.table.cols;
      Read(row);
      if (op.positions.data == nullptr) continue;
      row.from = row_of(op.positions, step.embedded_positions[t] + op.position_offset);
      row.dtype = DataType::kFloat32;
      row.scale = 1;
      row.accumulate = true;
      Read(row);
    }
  };
  resources.pool.ParallelFor(step.num_tokens, Grain(op.table.cols), embed);
}

void Run(const NormOp& op, const Step& step, Resources& resources) {
  resources.pool.ParallelFor(step.Rows(op.in.extent), Grain(op.in.width),
                             [&](int64_t begin, int64_t end) {
                               for (int64_t m = begin; m < end; ++m) {
                                 Normalise(op, RowOf(op.in, m), RowOf(op.out, m));
                                 if (op.stream.data == nullptr) continue;
                                 std::copy_n(RowOf(op.out, m), op.out.width, RowOf(op.stream, m));
                               }
                             });
}

void Run(const GatherRowsOp& op, const Step& step, Resources& resources) {
  resources.pool.ParallelFor(step.num_rows, Grain(op.in.width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      std::copy_n(RowOf(op.in, step.offsets[r + 1] - 1), op.in.width, RowOf(op.out, r));
    }
  });
}

}  // namespace transept::kernels::cpu
