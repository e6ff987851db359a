// Whole decoder layers, with all that is fused of them, against the CPU's reference; with weights
// fetched ahead and without.
#include <algorithm>
#include <deque>

#include "kernels/cpu/reference.h"
#include "kernels/cuda/graph.h"
#include "tests/kernels/attention_cases.h"
#include "tests/kernels/cuda/gpu.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cuda {
namespace {

using Row = cpu::DecoderCase::Row;

constexpr int kLayers = 2;
constexpr int32_t kBlockSize = 16;
constexpr int64_t kFfn = 96, kVocab = 50;

struct Kind {
  const char* name;
  NormKind norm;
  bool behind;  // norms stand behind their blocks
  bool biases;
  bool gated;
};
constexpr Kind kKinds[] = {
    {"as in T5", NormKind::kRms, false, false, true},
    {"as in NLLB", NormKind::kLayer, false, true, false},
    {"as in BART", NormKind::kLayer, true, true, false},
    {"root mean squares behind their blocks", NormKind::kRms, true, true, false},
};

struct Shape {
  int64_t d_model;
  AttentionShape heads;
};
constexpr Shape kShapes[] = {
    {160, {4, 4, 40, 0.16f}},
    {256, {4, 2, 32, 1.0f}},
    {192, {2, 2, 96, 0.1f}},
    {1024, {16, 16, 64, 0.125f}},
};

// Rows and their sources, on the host.
struct StepCase {
  StepCase(const std::vector<Row>& rows, const std::vector<int32_t>& rows_of_source,
           std::vector<int32_t> source_lengths)
      : self(rows, kBlockSize),
        sources(std::move(source_lengths), rows_of_source, kBlockSize, self.tables.end_block, 17),
        inputs(self.inputs) {
    for (int32_t i = 0; i < inputs.num_tokens; ++i) tokens.push_back(i * 7 % kVocab);
    inputs.token_ids = tokens.data();
    sources.AddTo(&inputs);
  }

  cpu::DecoderCase self;
  cpu::SourcesCase sources;
  std::vector<int32_t> tokens;
  DecoderInputs inputs;
};

// `count` rows of one token and a source each.
StepCase OneEach(int32_t count) {
  std::vector<Row> rows;
  std::vector<int32_t> lengths;
  for (int32_t i = 0; i < count; ++i) {
    rows.push_back({i * 5 % 40, 1});
    lengths.push_back(1 + i * 11 % 70);
  }
  return StepCase(rows, std::vector<int32_t>(count, 1), lengths);
}

// Decoder layers on one side, with buffers of their own.
struct Side {
  Program program;
  Activations hidden, normed, qkv, attention, gate_up, ffn;
};

class CudaDecoderLayersTest : public GpuTest {
 protected:
  // Runs layers of the kind on both sides.
  void Expect(const Kind& kind, const Shape& shape, const StepCase& step);

 private:
  // Adds an operation to both sides: what fill(side, whether it is the host, operation) makes.
  template <typename Op, typename Fn>
  void Add(Fn fill) {
    for (Side* side : {&host_, &device_}) {
      Op op;
      fill(*side, side == &host_, &op);
      side->program.operations.push_back(op);
    }
  }
  const std::vector<float>& Floats(int64_t size) {
    return floats_.emplace_back(cpu::RandomFloats(size, seed_++));
  }
  Vector VectorOn(bool host, const std::vector<float>& values) {
    return host ? Vector{values.data(), static_cast<int64_t>(values.size())} : UploadVector(values);
  }
  Activations BufferOn(bool host, Tensor& tensor) { return host ? tensor.host() : tensor.device; }

  void AddNorm(const Kind& kind);
  void AddLinear(const Kind& kind, Activations Side::*in, Activations Side::*out, int64_t features);
  void AddGate(int64_t d_model);
  void MakePages(const AttentionShape& heads, int64_t blocks);  // caches_
  void AddLayer(const Kind& kind, const Shape& shape, int64_t blocks);

  Side host_, device_;
  PagedKv caches_[2];  // of the last layer, on host and device
  std::vector<std::unique_ptr<Weight>> weights_;
  std::deque<std::vector<float>> floats_;  // which stay where they are
  uint64_t seed_ = 100;

 protected:
  int prefetching_ = 0;  // cases in which weights were fetched ahead
};

void CudaDecoderLayersTest::AddNorm(const Kind& kind) {
  const std::vector<float>& weight = Floats(host_.hidden.width);
  const std::vector<float>& bias = Floats(host_.hidden.width);
  Add<NormOp>([&](Side& side, bool host, NormOp* norm) {
    norm->kind = kind.norm;
    norm->eps = 1e-3f;
    norm->weight = VectorOn(host, weight);
    if (kind.norm == NormKind::kLayer) norm->bias = VectorOn(host, bias);
    norm->in = side.hidden;
    norm->out = side.normed;
    if (kind.behind) norm->stream = side.hidden;
  });
}

// What goes to the stream is added to it.
void CudaDecoderLayersTest::AddLinear(const Kind& kind, Activations Side::*in,
                                      Activations Side::*out, int64_t features) {
  weights_.push_back(std::make_unique<Weight>(MakeWeight(features, (host_.*in).width, seed_++)));
  const Weight& weight = *weights_.back();
  const std::vector<float>& bias = Floats(features);
  Add<LinearOp>([&](Side& side, bool host, LinearOp* linear) {
    linear->weight = host ? weight.host() : weight.device;
    if (kind.biases) linear->bias = VectorOn(host, bias);
    linear->in = side.*in;
    linear->out = side.*out;
    linear->out.width = features;
    if (out == &Side::hidden) linear->residual = linear->out;
  });
}

void CudaDecoderLayersTest::AddGate(int64_t d_model) {
  weights_.push_back(std::make_unique<Weight>(MakeWeight(2 * kFfn, d_model, seed_++)));
  const Weight& weight = *weights_.back();
  Add<GatedLinearOp>([&](Side& side, bool host, GatedLinearOp* gate) {
    gate->weight = host ? weight.host() : weight.device;
    gate->in = side.normed;
    gate->scratch = side.gate_up;
    gate->out = side.ffn;
  });
}

void CudaDecoderLayersTest::MakePages(const AttentionShape& heads, int64_t blocks) {
  const int64_t count = blocks * kBlockSize * heads.num_kv_heads * heads.head_size;
  PagedKv& host = caches_[0];
  host.num_blocks = blocks;
  host.block_size = kBlockSize;
  host.num_kv_heads = heads.num_kv_heads;
  host.head_size = heads.head_size;
  PagedKv& device = caches_[1] = host;
  device.dtype = dtype();
  for (void* PagedKv::*elements : {&PagedKv::keys, &PagedKv::values}) {
    floats_.push_back(Rounded(cpu::RandomFloats(count, seed_++), dtype()));
    host.*elements = floats_.back().data();
    device.*elements = UploadAs(floats_.back(), dtype());
  }
}

void CudaDecoderLayersTest::AddLayer(const Kind& kind, const Shape& shape, int64_t blocks) {
  const AttentionShape& heads = shape.heads;
  MakePages(heads, blocks);
  AddNorm(kind);
  AddLinear(kind, &Side::normed, &Side::qkv, cpu::QkvWidth(heads));
  Add<SelfAttentionOp>([&](Side& side, bool host, SelfAttentionOp* self) {
    self->kernel = AttentionKernel::kCuda;
    self->shape = heads;
    self->cache = caches_[host ? 0 : 1];
    self->qkv = side.qkv;
    self->out = side.attention;
  });
  AddLinear(kind, &Side::attention, &Side::hidden, shape.d_model);
  AddNorm(kind);
  AddLinear(kind, &Side::normed, &Side::qkv, cpu::QueryWidth(heads));
  Add<CrossAttentionOp>([&](Side& side, bool host, CrossAttentionOp* cross) {
    cross->kernel =
        dtype() == DataType::kFloat32 ? AttentionKernel::kCuda : AttentionKernel::kCudaTensor;
    cross->shape = heads;
    cross->cache = caches_[host ? 0 : 1];
    cross->query = side.qkv;
    cross->query.width = cpu::QueryWidth(heads);
    cross->out = side.attention;
  });
  AddLinear(kind, &Side::attention, &Side::hidden, shape.d_model);
  AddNorm(kind);
  if (kind.gated) {
    AddGate(shape.d_model);
  } else {
    AddLinear(kind, &Side::normed, &Side::ffn, kFfn);
  }
  AddLinear(kind, &Side::ffn, &Side::hidden, shape.d_model);
}

void CudaDecoderLayersTest::Expect(const Kind& kind, const Shape& shape, const StepCase& step) {
  SCOPED_TRACE(testing::Message() << kind.name << ", " << shape.d_model << ", "
                                  << step.inputs.num_tokens << " tokens");
  host_ = device_ = {};
  const int64_t tokens = step.inputs.num_tokens;
  Tensor hidden = MakeTensor(tokens, shape.d_model, DataType::kFloat32, 1);
  Tensor normed = MakeTensor(tokens, shape.d_model, dtype(), 2);
  Tensor qkv = MakeTensor(tokens, cpu::QkvWidth(shape.heads), dtype(), 3);
  Tensor attention = MakeTensor(tokens, cpu::QueryWidth(shape.heads), dtype(), 4);
  Tensor ffn = MakeTensor(tokens, kFfn, dtype(), 5);
  Tensor gate_up = MakeTensor(tokens, 2 * kFfn, dtype(), 6);
  for (Side* side : {&host_, &device_}) {
    const bool host = side == &host_;
    side->hidden = BufferOn(host, hidden);
    side->normed = BufferOn(host, normed);
    side->qkv = BufferOn(host, qkv);
    side->attention = BufferOn(host, attention);
    side->ffn = BufferOn(host, ffn);
    side->gate_up = BufferOn(host, gate_up);
  }
  const Weight table = MakeWeight(kVocab, shape.d_model, seed_++);
  Add<EmbedOp>([&](Side& side, bool host, EmbedOp* embed) {
    embed->table = host ? table.host() : table.device;
    embed->scale = 12.0f;
    embed->out = side.hidden;
  });
  for (int i = 0; i < kLayers; ++i) AddLayer(kind, shape, step.sources.tables.end_block);

  cpu::reference::Run(host_.program, cpu::Step(step.inputs));
  Execute(device_.program, step.inputs);
  cpu::ExpectNear(Read(hidden), hidden.values, 4 * tolerance());
  // The same again, beside weights that are fetched ahead.
  const std::vector<float> expected = Read(hidden);
  if (!executor().CanPrefetch(device_.program, tokens)) return;
  ++prefetching_;
  const DecoderInputs inputs = ToDevice(step.inputs);
  executor().set_prefetching(true);
  Graph graph(&device(), [&] { executor().Run(device_.program, inputs); });
  executor().set_prefetching(false);
  device().Check(cudaMemset2D(hidden.device.data, hidden.device.stride * sizeof(float), 0xff,
                              hidden.width * sizeof(float), tokens),
                 "clearing");
  for (int i = 0; i < 3; ++i) graph.Replay();
  Finish();
  EXPECT_EQ(Read(hidden), expected);
}

// Around the numbers of rows that a tile and a block have, and that are few for these products.
TEST_P(CudaDecoderLayersTest, EqualTheReference) {
  for (const Kind& kind : kKinds) {
    for (const Shape& shape : kShapes) {
      for (const int32_t rows : {1, 7, 16, 17, 33, 64, 65}) {
        if (shape.d_model == 1024 && rows != 1 && rows < 64) continue;  // slow on the host
        Expect(kind, shape, OneEach(rows));
        if (HasFailure()) return;
      }
    }
  }
  EXPECT_EQ(prefetching_ > 0, dtype() != DataType::kFloat32 && device().architecture() >= 90);
}

// Rows that share a source, more of them than one operand holds, and several tokens a row.
TEST_P(CudaDecoderLayersTest, EqualTheReferenceForBeamsAndPrefixes) {
  const StepCase beams(std::vector<Row>(27, Row{30, 1}), {1, 4, 20, 2}, {40, 33, 100, 300});
  const StepCase prefixes({{0, 5}, {40, 1}, {3, 20}, {31, 2}}, {2, 1, 1}, {70, 16, 129});
  for (const Kind& kind : kKinds) {
    for (const Shape& shape : kShapes) {
      for (const StepCase* step : {&beams, &prefixes}) {
        Expect(kind, shape, *step);
        if (HasFailure()) return;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaDecoderLayersTest,
                         testing::Values(DataType::kFloat32, DataType::kBFloat16,
                                         DataType::kFloat16),
                         NameOf);

}  // namespace
}  // namespace transept::kernels::cuda
