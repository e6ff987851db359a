// Operations that multiply activations by a weight matrix.
//
// The result is cut into blocks of rows and columns. A thread computes a block's products into
// scratch memory, which stays in its cache, and finishes them there: bias, activation, gate,
// residual.
//
// There are two ways to multiply: simd/products.h for a decoder's few rows, simd/panels.h for an
// encoder's many (docs/performance.md has the measurements). They differ in rounding, so the choice
// is the step's kind and not its size: a row's result must not depend on what shares the step.
// Weights in int8 have one way, simd/int8.h.
#include <algorithm>

#include "kernels/cpu/operations.h"
#include "kernels/cpu/paged_kv.h"
#include "kernels/cpu/simd/int8.h"
#include "kernels/cpu/simd/panels.h"
#include "kernels/cpu/simd/products.h"
#include "kernels/cpu/simd/rows.h"

namespace transept::kernels::cpu {
namespace {

// Columns of a block: a unit of work for a thread.
constexpr int64_t kBlockColumns = 48;
static_assert(kBlockColumns % kProductColumns == 0 && kBlockColumns % kPanelColumns == 0);

// Rows of a block: a multiple of this, as many as keep x in the second-level cache.
constexpr int64_t kRowStep = 48;
constexpr int64_t kBlockFloats = 128 * 1024;

// Products that are worth another thread's attention.
constexpr int64_t kGrainProducts = 64 * 1024;

int64_t CeilDiv(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

const void* WeightRow(const Matrix& matrix, int64_t row) {
  return static_cast<const char*>(matrix.data) + row * matrix.cols * SizeOf(matrix.dtype);
}

// Rows [first, first + rows) of a weight.
Matrix RowsFrom(Matrix matrix, int64_t first, int64_t rows) {
  matrix.data = WeightRow(matrix, first);
  matrix.rows = rows;
  if (matrix.scales != nullptr) matrix.scales += first;
  if (matrix.sums != nullptr) matrix.sums += first;
  return matrix;
}

struct Block {
  int64_t row;
  int64_t rows;
  int64_t column;
  int64_t columns;
};

// Multiplies the blocks of one thread's range, one after the other.
class Multiplier {
 public:
  Multiplier(const Activations& in, const Matrix& weight, bool panels, WorkerScratch& scratch)
      : in_(in), weight_(weight), panels_(panels), scratch_(scratch) {}

  // Room for `count` results of Multiply.
  float* Results(const Block& block, int count) {
    return scratch_.product.Get(count * PaddedRows(block.rows) * kBlockColumns);
  }
  static int64_t ResultSize(const Block& block) { return PaddedRows(block.rows) * kBlockColumns; }

  // result[m * kBlockColumns + n] = row block.row + m of the input times row first + n of the
  // weight. `next` is the row that will be `first` next, -1 if not known.
  void Multiply(const Block& block, int64_t first, int64_t next, float* result) {
    if (weight_.dtype == DataType::kInt8) {
      MultiplyInt8(block, first, next, result);
    } else if (panels_) {
      MultiplyByPanels(block, first, next, result);
    } else {
      MultiplyByRows(block, first, next, result);
    }
  }

 private:
  const void* Next(int64_t row) const { return row < 0 ? nullptr : WeightRow(weight_, row); }

  void MultiplyByRows(const Block& block, int64_t first, int64_t next, float* result) {
    Products products;
    products.x = RowOf(in_, block.row);
    products.x_stride = in_.stride;
    products.rows = block.rows;
    products.w = WeightRow(weight_, first);
    products.w_dtype = weight_.dtype;
    products.columns = block.columns;
    products.k = weight_.cols;
    products.next_w = Next(next);
    products.out = result;
    products.out_stride = kBlockColumns;
    cpu::Multiply(products);
  }

  void MultiplyByPanels(const Block& block, int64_t first, int64_t next, float* result) {
    float* panels = scratch_.panels.Get(PaddedRows(block.rows) * weight_.cols);
    if (block.row != panels_row_) {
      FillPanels({RowOf(in_, block.row), in_.stride, block.rows, weight_.cols}, panels);
      panels_row_ = block.row;
    }
    PanelProducts products;
    products.panels = panels;
    products.rows = block.rows;
    products.w = static_cast<const float*>(WeightRow(weight_, first));
    products.columns = block.columns;
    products.k = weight_.cols;
    products.next_w = static_cast<const float*>(Next(next));
    products.out = result;
    products.out_stride = kBlockColumns;
    MultiplyPanels(products);
  }

  void MultiplyInt8(const Block& block, int64_t first, int64_t next, float* result) {
    const int64_t stride = CeilDiv(weight_.cols, kInt8Padding) * kInt8Padding;
    float* const scales = scratch_.scales.Get(block.rows);
    int8_t* const rows =
        reinterpret_cast<int8_t*>(scratch_.panels.Get(block.rows * stride / sizeof(float)));
    if (block.row != panels_row_) {
      for (int64_t m = 0; m < block.rows; ++m) {
        scales[m] = Quantize(RowOf(in_, block.row + m), weight_.cols, rows + m * stride);
      }
      panels_row_ = block.row;
    }
    Int8Products products;
    products.x = rows;
    products.x_stride = stride;
    products.x_scales = scales;
    products.rows = block.rows;
    products.w = static_cast<const int8_t*>(WeightRow(weight_, first));
    products.w_scales = weight_.scales + first;
    products.w_sums = weight_.sums + first;
    products.columns = block.columns;
    products.k = weight_.cols;
    products.next_w = static_cast<const int8_t*>(Next(next));
    products.out = result;
    products.out_stride = kBlockColumns;
    cpu::Multiply(products);
  }

  const Activations& in_;
  const Matrix& weight_;
  const bool panels_;
  WorkerScratch& scratch_;
  int64_t panels_row_ = -1;  // the block.row that scratch_.panels holds, in whatever form
};

struct Problem {
  const Activations& in;
  const Matrix& weight;
  int64_t columns;  // of the result
};

// Calls body(multiplier, block, next) for all blocks, in parallel. `next` is the column of the
// block that follows in the same thread and rows, -1 if none does.
template <typename Body>
void ForEachBlock(const Problem& problem, const Step& step, Resources& resources,
                  const Body& body) {
  const int64_t rows = step.Rows(problem.in.extent);
  const int64_t k = std::max<int64_t>(problem.weight.cols, 1);
  const int64_t block_rows = kRowStep * std::max<int64_t>(1, kBlockFloats / k / kRowStep);
  const int64_t column_blocks = CeilDiv(problem.columns, kBlockColumns);
  const int64_t blocks = CeilDiv(rows, block_rows) * column_blocks;
  const int64_t grain = CeilDiv(kGrainProducts, std::min(rows, block_rows) * k * kBlockColumns + 1);
  resources.pool.ParallelFor(blocks, grain, [&](int64_t begin, int64_t end, int worker) {
    const bool panels = step.encoder && problem.weight.dtype == DataType::kFloat32;
    Multiplier multiplier(problem.in, problem.weight, panels, resources.scratch[worker]);
    for (int64_t i = begin; i < end; ++i) {
      Block block;
      block.row = i / column_blocks * block_rows;
      block.rows = std::min(block_rows, rows - block.row);
      block.column = i % column_blocks * kBlockColumns;
      block.columns = std::min(kBlockColumns, problem.columns - block.column);
      const int64_t next = block.column + block.columns;
      body(multiplier, block, i + 1 < end && next < problem.columns ? next : -1);
    }
  });
}

Epilogue EpilogueOf(const Activations& out, const Block& block) {
  Epilogue epilogue;
  epilogue.rows = block.rows;
  epilogue.columns = block.columns;
  epilogue.product_stride = kBlockColumns;
  epilogue.out = RowOf(out, block.row) + block.column;
  epilogue.out_stride = out.stride;
  return epilogue;
}

}  // namespace

void Run(const LinearOp& op, const Step& step, Resources& resources) {
  const auto multiply = [&](Multiplier& multiplier, const Block& block, int64_t next) {
    float* product = multiplier.Results(block, 1);
    multiplier.Multiply(block, block.column, next, product);
    Epilogue epilogue = EpilogueOf(op.out, block);
    epilogue.product = product;
    epilogue.bias = op.bias.data ? op.bias.data + block.column : nullptr;
    epilogue.activation = op.activation;
    if (op.residual.data != nullptr) {
      epilogue.residual = RowOf(op.residual, block.row) + block.column;
      epilogue.residual_stride = op.residual.stride;
    }
    Finish(epilogue);
  };
  ForEachBlock({op.in, op.weight, op.weight.rows}, step, resources, multiply);
}

void Run(const GatedLinearOp& op, const Step& step, Resources& resources) {
  const int64_t width = op.weight.rows / 2;
  const auto multiply = [&](Multiplier& multiplier, const Block& block, int64_t next) {
    float* gate = multiplier.Results(block, 2);
    float* up = gate + Multiplier::ResultSize(block);
    multiplier.Multiply(block, block.column, width + block.column, gate);
    multiplier.Multiply(block, width + block.column, next, up);
    Epilogue epilogue = EpilogueOf(op.out, block);
    epilogue.product = gate;
    epilogue.factor = up;
    epilogue.activation = op.activation;
    Finish(epilogue);
  };
  ForEachBlock({op.in, op.weight, width}, step, resources, multiply);
}

void Run(const ProjectCrossKvOp& op, const Step& step, Resources& resources) {
  const int64_t* slots = step.encoder->cross_slots;
  int64_t feature = 0;  // row of the weight
  for (const PagedKv& cache : op.caches) {
    const int64_t width = static_cast<int64_t>(cache.num_kv_heads) * cache.head_size;
    LinearOp project;
    project.weight = RowsFrom(op.weight, feature, 2 * width);
    if (op.bias.data != nullptr) project.bias = {op.bias.data + feature, 2 * width};
    project.in = op.in;
    project.out = op.scratch;
    Run(project, step, resources);
    resources.pool.ParallelFor(step.num_tokens, 16, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        if (slots[t] < 0) continue;
        WriteSlot(cache, slots[t], RowOf(op.scratch, t), RowOf(op.scratch, t) + width);
      }
    });
    feature += 2 * width;
  }
}

}  // namespace transept::kernels::cpu
