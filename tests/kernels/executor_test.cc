// What holds for a program as a whole.
#include "kernels/cpu/executor.h"

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>

#include "kernels/cpu/reference.h"
#include "tests/kernels/support.h"

namespace {

std::atomic<int64_t> allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  std::abort();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  ++allocations;
  const std::size_t align = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(align, (size + align - 1) / align * align)) return memory;
  std::abort();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace transept::kernels::cpu {
namespace {

// One decoder layer on three rows of two sources.
struct Layer {
  Layer() {
    EmbedOp embed;
    embed.table = embedding.matrix();
    embed.out = hidden.view();
    NormOp normalise;
    normalise.weight = {norm.data(), kModel};
    normalise.in = hidden.view();
    normalise.out = normed.view();
    SelfAttentionOp self;
    self.kernel = AttentionKernel::kSimd;
    self.shape = kShape;
    self.bias = {bias.data(), 8, 20, false};
    self.cache = pages.view();
    self.qkv = qkv.view();
    self.out = attended.view();
    LinearOp add = Linear(out_weight, attended, hidden);
    add.residual = hidden.view();
    CrossAttentionOp cross;
    cross.kernel = AttentionKernel::kSimd;
    cross.shape = kShape;
    cross.cache = pages.view();
    cross.query = hidden.view();
    cross.out = attended.view();
    GatedLinearOp gate;
    gate.weight = gate_weight.matrix();
    gate.in = attended.view();
    gate.out = normed.view();
    program.operations = {embed,
                          normalise,
                          Linear(qkv_weight, normed, qkv),
                          self,
                          add,
                          cross,
                          gate,
                          GatherRowsOp{normed.view(), last.view()},
                          Linear(embedding, last, logits)};
    inputs.num_rows = 3;
    inputs.num_tokens = 5;
    inputs.token_ids = token_ids;
    inputs.positions = positions;
    inputs.query_offsets = query_offsets;
    inputs.self_slots = slots;
    inputs.block_tables = block_tables;
    inputs.block_table_stride = 1;
    inputs.num_sources = 2;
    inputs.source_offsets = source_offsets;
    inputs.cross_block_tables = cross_block_tables;
    inputs.cross_block_table_stride = 2;
    inputs.cross_lengths = cross_lengths;
  }

  static LinearOp Linear(Weights& weight, Buffer& in, Buffer& out) {
    LinearOp op;
    op.weight = weight.matrix();
    op.in = in.view();
    op.out = out.view();
    return op;
  }

  static constexpr AttentionShape kShape{4, 4, 24, 1.0f};
  static constexpr int64_t kModel = 96;
  static constexpr int64_t kVocabulary = 1000;

  Weights embedding{kVocabulary, kModel, DataType::kBFloat16, 1};
  Weights qkv_weight{3 * kModel, kModel, DataType::kBFloat16, 2};
  Weights out_weight{kModel, kModel, DataType::kBFloat16, 3};
  Weights gate_weight{2 * kModel, kModel, DataType::kBFloat16, 4};
  std::vector<float> norm = RandomFloats(kModel, 5);
  std::vector<float> bias = RandomFloats(8 * 4, 6);
  Pages pages{8, 16, kShape, DataType::kBFloat16, 7};
  Buffer hidden{5, kModel, 8};
  Buffer normed{5, kModel, 9};
  Buffer qkv{5, 3 * kModel, 10};
  Buffer attended{5, kModel, 11};
  Buffer last{3, kModel, 12, Extent::kRows};
  Buffer logits{3, kVocabulary, 13, Extent::kRows};

  const int32_t token_ids[5] = {5, 900, 3, 77, 5};
  const int32_t positions[5] = {4, 0, 1, 2, 11};
  const int32_t query_offsets[4] = {0, 1, 4, 5};
  const int64_t slots[5] = {2 * 16 + 4, 5 * 16, 5 * 16 + 1, 5 * 16 + 2, 7 * 16 + 11};
  const int32_t block_tables[3] = {2, 5, 7};
  const int32_t source_offsets[3] = {0, 2, 3};
  const int32_t cross_block_tables[4] = {0, 1, 3, -1};
  const int32_t cross_lengths[2] = {20, 9};
  DecoderInputs inputs;
  Program program;
};

TEST(Executor, ProgramMatchesTheReference) {
  Layer expected, actual;
  reference::Run(expected.program, Step(expected.inputs));
  ThreadPool pool(2);
  Executor executor(&pool);
  executor.Run(actual.program, actual.inputs);
  // The layer's activations are hundreds of units large; a bfloat16 page may round either way.
  ExpectNear(actual.logits.values(), expected.logits.values(), 2e-2f);
}

TEST(Executor, ThreadsDoNotChangeTheResult) {
  std::vector<float> first;
  for (const int threads : {1, 2, 3, 5, 16}) {
    Layer layer;
    ThreadPool pool(threads);
    Executor executor(&pool);
    executor.Run(layer.program, layer.inputs);
    if (first.empty()) first = layer.logits.values();
    EXPECT_EQ(layer.logits.values(), first) << threads;
  }
}

TEST(Executor, DoesNotAllocateOnceWarm) {
  Layer layer;
  ThreadPool pool(3);
  Executor executor(&pool);
  // Which thread takes which block is left to chance: after many runs each has had every kind.
  for (int i = 0; i < 200; ++i) executor.Run(layer.program, layer.inputs);
  const int64_t before = allocations;
  executor.Run(layer.program, layer.inputs);
  EXPECT_EQ(allocations, before);
}

TEST(Executor, ReferenceKernelsRunWhenAskedFor) {
  Layer expected, actual;
  reference::Run(expected.program, Step(expected.inputs));
  for (Operation& operation : actual.program.operations) {
    if (auto* op = std::get_if<SelfAttentionOp>(&operation)) {
      op->kernel = AttentionKernel::kReference;
    }
    if (auto* op = std::get_if<CrossAttentionOp>(&operation)) {
      op->kernel = AttentionKernel::kReference;
    }
  }
  ThreadPool pool(1);
  Executor executor(&pool);
  executor.Run(actual.program, actual.inputs);
  ExpectNear(actual.logits.values(), expected.logits.values(), 2e-2f);
}

class Recorder : public Observer {
 public:
  void Begin(const Operation& operation) override {
    log.append("(").append(std::to_string(operation.index()));
  }
  void End(const Operation&) override { log += ")"; }
  std::string log;
};

TEST(Executor, ObserverSeesEveryOperation) {
  Layer layer;
  ThreadPool pool(1);
  Executor executor(&pool);
  Recorder recorder;
  executor.set_observer(&recorder);
  executor.Run(layer.program, layer.inputs);
  EXPECT_EQ(recorder.log, "(0)(1)(2)(5)(2)(6)(3)(8)(2)");
}

TEST(Executor, EmptyStepsDoNothing) {
  ThreadPool pool(2);
  Executor executor(&pool);
  Layer layer;
  const std::vector<float> before = layer.hidden.values();
  layer.inputs.num_rows = layer.inputs.num_tokens = layer.inputs.num_sources = 0;
  executor.Run(layer.program, layer.inputs);
  EXPECT_EQ(layer.hidden.values(), before);
  executor.Run(Program{}, EncoderInputs{});
}

}  // namespace
}  // namespace transept::kernels::cpu
