// Operations that multiply activations by a weight matrix.
//
// The result is cut into blocks of rows and columns. A thread computes a block's products into
// scratch memory, which stays in its cache, and finishes them there: bias, activation, gate,
// residual.
#include <algorithm>

#include "kernels/cpu/operations.h"
#include "kernels/cpu/paged_kv.h"
#include "kernels/cpu/simd/products.h"
#include "kernels/cpu/simd/rows.h"

namespace transept::kernels::cpu {
namespace {

// Columns of a block: a unit of work for a thread, a multiple of kProductColumns.
constexpr int64_t kBlockColumns = 48;

// Floats of x in a block of rows, so that they stay in the second-level cache.
constexpr int64_t kBlockFloats = 96 * 1024;

// Weights that are worth another thread's attention, counted once for each row of x.
constexpr int64_t kGrainProducts = 64 * 1024;

int64_t CeilDiv(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

const void* WeightRow(const Matrix& matrix, int64_t row) {
  return static_cast<const char*>(matrix.data) + row * matrix.cols * SizeOf(matrix.dtype);
}

struct Block {
  int64_t row;
  int64_t rows;
  int64_t column;
  int64_t columns;
  bool last;  // of the thread's run: what follows it in memory is not needed next
};

// Calls body(block, worker) for the blocks of a product of `rows` with a weight of `columns` rows.
template <typename Body>
void ForEachBlock(int64_t rows, int64_t columns, int64_t k, ThreadPool& pool, const Body& body) {
  const int64_t most_rows = std::max<int64_t>(24, kBlockFloats / std::max<int64_t>(k, 1));
  const int64_t row_blocks = CeilDiv(rows, most_rows);
  const int64_t column_blocks = CeilDiv(columns, kBlockColumns);
  if (row_blocks == 0) return;
  const int64_t block_rows = CeilDiv(rows, row_blocks);
  const int64_t grain = CeilDiv(kGrainProducts, block_rows * k * kBlockColumns + 1);
  pool.ParallelFor(row_blocks * column_blocks, grain, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i) {
      Block block;
      block.row = i / column_blocks * block_rows;
      block.rows = std::min(block_rows, rows - block.row);
      block.column = i % column_blocks * kBlockColumns;
      block.columns = std::min(kBlockColumns, columns - block.column);
      block.last = i + 1 == end || block.column + kBlockColumns >= columns;
      if (block.rows > 0) body(block, worker);
    }
  });
}

Products ProductsOf(const Activations& in, const Matrix& weight, const Block& block) {
  Products products;
  products.x = RowOf(in, block.row);
  products.x_stride = in.stride;
  products.rows = block.rows;
  products.w_dtype = weight.dtype;
  products.columns = block.columns;
  products.k = weight.cols;
  products.out_stride = kBlockColumns;
  return products;
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
  const auto multiply = [&](const Block& block, int worker) {
    float* product = resources.scratch[worker].product.Get(block.rows * kBlockColumns);
    Products products = ProductsOf(op.in, op.weight, block);
    products.w = WeightRow(op.weight, block.column);
    products.next_w = block.last ? nullptr : WeightRow(op.weight, block.column + kBlockColumns);
    products.out = product;
    Multiply(products);

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
  ForEachBlock(step.Rows(op.in.extent), op.weight.rows, op.weight.cols, resources.pool, multiply);
}

void Run(const GatedLinearOp& op, const Step& step, Resources& resources) {
  const int64_t width = op.weight.rows / 2;
  const auto multiply = [&](const Block& block, int worker) {
    const int64_t size = block.rows * kBlockColumns;
    float* gate = resources.scratch[worker].product.Get(2 * size);
    float* up = gate + size;
    Products products = ProductsOf(op.in, op.weight, block);
    products.w = WeightRow(op.weight, block.column);
    products.next_w = WeightRow(op.weight, width + block.column);
    products.out = gate;
    Multiply(products);
    products.w = products.next_w;
    products.next_w = block.last ? nullptr : WeightRow(op.weight, block.column + kBlockColumns);
    products.out = up;
    Multiply(products);

    Epilogue epilogue = EpilogueOf(op.out, block);
    epilogue.product = gate;
    epilogue.factor = up;
    epilogue.activation = op.activation;
    Finish(epilogue);
  };
  ForEachBlock(step.Rows(op.in.extent), width, op.weight.cols, resources.pool, multiply);
}

void Run(const ProjectCrossKvOp& op, const Step& step, Resources& resources) {
  const int64_t* slots = step.encoder->cross_slots;
  int64_t feature = 0;  // row of the weight
  for (const PagedKv& cache : op.caches) {
    const int64_t width = static_cast<int64_t>(cache.num_kv_heads) * cache.head_size;
    LinearOp project;
    project.weight = {WeightRow(op.weight, feature), op.weight.dtype, 2 * width, op.weight.cols};
    if (op.bias.data != nullptr) project.bias = {op.bias.data + feature, 2 * width};
    project.in = op.in;
    project.out = op.scratch;
    Run(project, step, resources);
    resources.pool.ParallelFor(step.num_tokens, 16, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        WriteSlot(cache, slots[t], RowOf(op.scratch, t), RowOf(op.scratch, t) + width);
      }
    });
    feature += 2 * width;
  }
}

}  // namespace transept::kernels::cpu
