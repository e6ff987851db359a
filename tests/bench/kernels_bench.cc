// How fast the CPU kernels are, next to the machine's floor and to two BLAS libraries:
//
//   transept_kernels_bench [floor] [loops] [products] [attention]     (all when none is named)
//
// The libraries run as they would inside our thread pool: one thread each on its share of the
// weight's rows. Every time is the least of many, contenders taking turns, and weights come from
// memory: copies of them are used in rotation that together exceed any cache.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cpu/executor.h"
#include "kernels/cpu/simd/rows.h"
#include "tests/bench/floor.h"
#include "tests/bench/libraries.h"

namespace transept::kernels::cpu {
namespace {

using Clock = std::chrono::steady_clock;

double Seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// The least time of each function over at least `kLeastRounds` rounds and `kLeastSeconds`.
std::vector<double> Time(const std::vector<std::function<void()>>& functions) {
  constexpr int kLeastRounds = 5;
  constexpr double kLeastSeconds = 0.4;
  std::vector<double> best(functions.size(), 1e9);
  const Clock::time_point start = Clock::now();
  for (int round = 0; round < kLeastRounds || Seconds(Clock::now() - start) < kLeastSeconds;
       ++round) {
    for (size_t i = 0; i < functions.size(); ++i) {
      const Clock::time_point begin = Clock::now();
      functions[i]();
      best[i] = std::min(best[i], Seconds(Clock::now() - begin));
    }
  }
  return best;
}

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
template <typename T>
using Array = std::unique_ptr<T[], Free>;

template <typename T>
Array<T> Allocate(int64_t count) {
  Array<T> array(static_cast<T*>(std::aligned_alloc(4096, (count * sizeof(T) / 4096 + 1) * 4096)));
  for (int64_t i = 0; i < count; ++i) array[i] = static_cast<T>(i % 7);
  return array;
}

// `data` has room for StrideFor(width) floats a row.
Activations View(float* data, int64_t width) {
  return {data, DataType::kFloat32, width, StrideFor(width), Extent::kTokens};
}

void MeasureFloor(int threads) {
  ThreadPool pool(threads);
  constexpr int64_t kStream = int64_t{64} << 20;
  constexpr int64_t kTimes = 4'000'000;
  const Array<float> stream = Allocate<float>(kStream);
  std::vector<float> sums(threads);  // what a loop computes must be used
  const auto read = [&] {
    pool.ParallelFor(kStream, kStream / 32, [&](int64_t begin, int64_t end, int worker) {
      sums[worker] += ReadStream(stream.get() + begin, end - begin);
    });
  };
  const auto multiply = [&] {
    pool.ParallelFor(kTimes, kTimes / 32, [&](int64_t begin, int64_t end, int worker) {
      sums[worker] += MultiplyAdd(end - begin);
    });
  };
  const std::vector<double> best = Time({read, multiply});
  std::printf("floor, %d threads: read %.1f GB/s, multiply-add %.1f GFLOP/s\n", threads,
              kStream * sizeof(float) / best[0] * 1e-9,
              kTimes * OperationsPerRound() / best[1] * 1e-9);
}

// What a loop costs besides its work: the work of each thread takes a few microseconds.
void MeasureLoops(int threads) {
  ThreadPool pool(threads);
  constexpr int kLoops = 1000;
  constexpr int64_t kWork = 1000;
  std::vector<float> sums(threads);
  const auto work = [&](int64_t, int64_t, int worker) { sums[worker] += MultiplyAdd(kWork); };
  const std::vector<double> best = Time({[&] {
                                           for (int i = 0; i < kLoops; ++i) work(0, 1, 0);
                                         },
                                         [&] {
                                           for (int i = 0; i < kLoops; ++i) {
                                             pool.ParallelFor(threads, 1, work);
                                           }
                                         }});
  std::printf("a loop over %d threads: %.2f us besides its work\n", threads,
              (best[1] - best[0]) / kLoops * 1e6);
}

struct ProductCase {
  int64_t m;
  int64_t n;
  int64_t k;
  DataType dtype;
  int threads;
};

// A library's single-threaded sgemm on each thread's share of the weight. 16-bit weights are
// converted a panel at a time that stays in the second-level cache.
void MultiplyByLibrary(const Sgemm& sgemm, const ProductCase& c, const char* weights,
                       const float* in, float* out, ThreadPool& pool,
                       std::vector<Array<float>>& panels) {
  const int64_t share = (c.n + c.threads - 1) / c.threads;
  pool.ParallelFor(c.threads, 1, [&](int64_t thread, int64_t, int worker) {
    const int64_t end = std::min(c.n, (thread + 1) * share);
    int64_t step = share;
    if (c.dtype != DataType::kFloat32) step = std::max<int64_t>(16, 128 * 1024 / c.k);
    for (int64_t n = thread * share; n < end; n += step) {
      const int64_t count = std::min(step, end - n);
      const char* from = weights + n * c.k * SizeOf(c.dtype);
      const float* w = reinterpret_cast<const float*>(from);
      if (c.dtype != DataType::kFloat32) {
        Read({from, c.dtype, 1.0f, false, panels[worker].get(), count * c.k});
        w = panels[worker].get();
      }
      sgemm.run({c.m, count, c.k, in, w, out + n, c.n});
    }
  });
}

void MeasureProduct(const ProductCase& c) {
  ThreadPool pool(c.threads);
  Executor executor(&pool);
  const int64_t bytes = c.n * c.k * SizeOf(c.dtype);
  const int64_t copies = std::max<int64_t>(2, (int64_t{192} << 20) / bytes);
  const Array<uint16_t> weights = Allocate<uint16_t>(copies * bytes / 2);
  const Array<float> in = Allocate<float>(c.m * StrideFor(c.k));
  const Array<float> out = Allocate<float>(c.m * StrideFor(c.n));
  std::vector<Array<float>> panels;
  for (int i = 0; i < c.threads; ++i) panels.push_back(Allocate<float>(128 * 1024 + 16 * c.k));

  int64_t turn = 0;
  const auto next = [&] {
    return reinterpret_cast<const char*>(weights.get()) + turn++ % copies * bytes;
  };
  const auto run_as = [&](auto inputs) {
    LinearOp op;
    op.weight = {next(), c.dtype, c.n, c.k};
    op.in = View(in.get(), c.k);
    op.out = View(out.get(), c.n);
    inputs.num_tokens = static_cast<int32_t>(c.m);
    Program program;
    program.operations.push_back(op);
    executor.Run(program, inputs);
  };
  std::vector<std::function<void()>> contenders = {[&] { run_as(DecoderInputs()); },
                                                   [&] { run_as(EncoderInputs()); }};
  for (const Sgemm& sgemm : Libraries()) {
    contenders.push_back(
        [&] { MultiplyByLibrary(sgemm, c, next(), in.get(), out.get(), pool, panels); });
  }
  const std::vector<double> best = Time(contenders);
  std::printf("| %s | %d | %ld x %ld | %ld | %.1f |", Name(c.dtype), c.threads,
              static_cast<long>(c.n), static_cast<long>(c.k), static_cast<long>(c.m),
              bytes / std::min(best[0], best[1]) * 1e-9);
  for (const double seconds : best) std::printf(" %.1f |", 2e-9 * c.m * c.n * c.k / seconds);
  std::printf("\n");
  std::fflush(stdout);
}

void MeasureProducts() {
  std::printf("GB/s: of weights, the better of ours. Other columns: GFLOP/s.\n");
  std::printf("| weights | threads | weight | rows | GB/s | decoder | encoder |");
  for (const Sgemm& sgemm : Libraries()) std::printf(" %s |", sgemm.name);
  std::printf("\n|---|---|---|---|---|---|---|");
  for (size_t i = 0; i < Libraries().size(); ++i) std::printf("---|");
  std::printf("\n");
  // The products of T5-base: QKV, output projection, gated feed-forward up and down, logits.
  const std::pair<int64_t, int64_t> shapes[] = {
      {2304, 768}, {768, 768}, {4096, 768}, {768, 2048}, {32128, 768}};
  for (const DataType dtype : {DataType::kFloat32, DataType::kBFloat16}) {
    for (const int threads : {1, 2}) {
      for (const auto& [n, k] : shapes) {
        for (const int64_t m : {1, 4, 8, 16, 32, 64, 128, 512, 4096}) {
          if (n > 10000 && m > 128) continue;  // logits are of decoder rows
          MeasureProduct({m, n, k, dtype, threads});
        }
      }
    }
  }
}

constexpr AttentionShape kShape{12, 12, 64, 1.0f};  // T5-base
constexpr int64_t kWidth = 12 * 64;

void MeasureEncoderAttention(int32_t sources, int32_t length, int threads) {
  ThreadPool pool(threads);
  Executor executor(&pool);
  const int64_t tokens = int64_t{sources} * length;
  const Array<float> qkv = Allocate<float>(tokens * 3 * kWidth);
  for (int64_t i = 0; i < tokens * 3 * kWidth; ++i) qkv[i] *= 0.01f;
  const Array<float> out = Allocate<float>(tokens * kWidth);
  const std::vector<float> table(32 * kShape.num_heads, 0.5f);
  std::vector<int32_t> offsets;
  for (int32_t i = 0; i <= sources; ++i) offsets.push_back(i * length);
  EncoderAttentionOp op;
  op.kernel = AttentionKernel::kSimd;
  op.shape = kShape;
  op.bias = {table.data(), 32, 128, true};
  op.qkv = View(qkv.get(), 3 * kWidth);
  op.out = View(out.get(), kWidth);
  EncoderInputs inputs;
  inputs.num_sources = sources;
  inputs.num_tokens = static_cast<int32_t>(tokens);
  inputs.offsets = offsets.data();
  Program program;
  program.operations.push_back(op);
  const double best = Time({[&] { executor.Run(program, inputs); }})[0];
  std::printf("encoder attention, %d x %d tokens, %d threads: %.2f ms, %.1f GFLOP/s\n", sources,
              length, threads, best * 1e3, 4.0 * tokens * length * kWidth / best * 1e-9);
}

void MeasureCrossAttention(int32_t rows, int32_t length, DataType dtype, int threads) {
  ThreadPool pool(threads);
  Executor executor(&pool);
  constexpr int32_t kBlockSize = 16;
  constexpr int64_t kLayers = 12;  // their caches, used in rotation
  const int64_t blocks_per_row = (length + kBlockSize - 1) / kBlockSize;
  const int64_t elements = rows * blocks_per_row * kBlockSize * kWidth;
  const Array<uint16_t> pages = Allocate<uint16_t>(2 * kLayers * elements * SizeOf(dtype) / 2);
  std::memset(pages.get(), 0, 2 * kLayers * elements * SizeOf(dtype));
  const Array<float> query = Allocate<float>(rows * kWidth);
  const Array<float> out = Allocate<float>(rows * kWidth);
  std::vector<int32_t> offsets, lengths(rows, length), tables;
  for (int32_t i = 0; i <= rows; ++i) offsets.push_back(i);
  for (int32_t i = 0; i < rows * blocks_per_row; ++i) tables.push_back(i);
  DecoderInputs inputs;
  inputs.num_rows = inputs.num_tokens = inputs.num_sources = rows;
  inputs.query_offsets = inputs.source_offsets = offsets.data();
  inputs.cross_block_tables = tables.data();
  inputs.cross_block_table_stride = blocks_per_row;
  inputs.cross_lengths = lengths.data();
  Program program;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    CrossAttentionOp op;
    op.kernel = AttentionKernel::kSimd;
    op.shape = kShape;
    char* keys = reinterpret_cast<char*>(pages.get()) + 2 * layer * elements * SizeOf(dtype);
    op.cache = {keys,
                keys + elements * SizeOf(dtype),
                dtype,
                rows * blocks_per_row,
                kBlockSize,
                kShape.num_kv_heads,
                kShape.head_size};
    op.query = View(query.get(), kWidth);
    op.out = View(out.get(), kWidth);
    program.operations.push_back(op);
  }
  const double best = Time({[&] { executor.Run(program, inputs); }})[0];
  std::printf("cross-attention, %d rows x %d positions, %s, %d threads: %.2f ms, %.1f GB/s\n", rows,
              length, Name(dtype), threads, best * 1e3,
              2.0 * kLayers * rows * length * kWidth * SizeOf(dtype) / best * 1e-9);
}

void MeasureAttention() {
  for (const int threads : {1, 2}) {
    MeasureEncoderAttention(32, 32, threads);
    MeasureEncoderAttention(32, 128, threads);
    MeasureEncoderAttention(4, 512, threads);
    for (const DataType dtype : {DataType::kFloat32, DataType::kBFloat16}) {
      MeasureCrossAttention(1, 128, dtype, threads);
      MeasureCrossAttention(32, 128, dtype, threads);
      MeasureCrossAttention(8, 1024, dtype, threads);
    }
  }
}

int Main(int argc, char** argv) {
  std::set<std::string> parts(argv + 1, argv + argc);
  if (parts.empty()) parts = {"floor", "loops", "products", "attention"};
  for (const int threads : {1, 2}) {
    if (parts.count("floor")) MeasureFloor(threads);
    if (parts.count("loops")) MeasureLoops(threads);
  }
  if (parts.count("attention")) MeasureAttention();
  if (parts.count("products")) MeasureProducts();
  return 0;
}

}  // namespace
}  // namespace transept::kernels::cpu

int main(int argc, char** argv) {
  return transept::kernels::cpu::Main(argc, argv);
}
