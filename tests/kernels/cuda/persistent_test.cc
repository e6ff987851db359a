// The persistent kernel against the CPU's reference and against the operations one by one.
#include "kernels/cuda/persistent.h"

#include "kernels/cpu/reference.h"
#include "kernels/cuda/graph.h"
#include "tests/kernels/attention_cases.h"
#include "tests/kernels/cuda/gpu.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cuda {
namespace {

struct ModelShape {
  int32_t layers;
  int64_t d_model;
  AttentionShape attention;
  int64_t ffn;
  bool gated;
  int64_t vocab;
  int32_t block_size = 16;
};

// One row with so much in the cache.
struct RowCase {
  int32_t past;
  int32_t source;
};

constexpr int32_t kMaxPast = 320;
constexpr int32_t kMaxSource = 1200;

// A decoder of the T5 family with the same weights and caches on both sides.
struct Decoder {
  Program host, device;
  Tensor hidden, normed, qkv, attention, ffn, gate_up, last, last_normed, logits;
  std::vector<Weight> weights;
  std::vector<std::vector<float>> vectors;
  std::vector<std::vector<float>> pages;  // [layer][keys, values] on the host
  std::vector<PagedKv> caches;            // on the device
};

// Has the operations run one by one, as they do while somebody watches.
class NoObserver final : public Observer {
 public:
  void Begin(const Operation&) override {}
  void End(const Operation&) override {}
};

class CudaPersistentTest : public GpuTest {
 protected:
  std::unique_ptr<Decoder> MakeDecoder(const ModelShape& shape);
  // The logits of a step on the host.
  std::vector<float> RunReference(Decoder* decoder, const DecoderInputs& inputs);

 private:
  const std::vector<float>& NewVector(int64_t size, Decoder* decoder);
  void AddNorm(Tensor& in, Tensor& out, float output_scale, Decoder* decoder);
  void AddLinear(int64_t rows, Tensor& in, Tensor& out, bool residual, Decoder* decoder,
                 ActivationFunction activation = ActivationFunction::kNone);
  void AddLayer(const ModelShape& shape, const RelativeBias& host_bias,
                const RelativeBias& device_bias, Decoder* decoder);
  template <typename Op>
  void AddBoth(const Op& host, const Op& device, Decoder* decoder) {
    decoder->host.operations.push_back(host);
    decoder->device.operations.push_back(device);
  }

  uint64_t seed_ = 100;
};

const std::vector<float>& CudaPersistentTest::NewVector(int64_t size, Decoder* decoder) {
  return decoder->vectors.emplace_back(cpu::RandomFloats(size, seed_++));
}

void CudaPersistentTest::AddNorm(Tensor& in, Tensor& out, float output_scale, Decoder* decoder) {
  NormOp norm;
  norm.output_scale = output_scale;
  NormOp device = norm;
  const std::vector<float>& weight = NewVector(in.width, decoder);
  norm.weight = {weight.data(), in.width};
  norm.in = in.host();
  norm.out = out.host();
  device.weight = UploadVector(weight);
  device.in = in.device;
  device.out = out.device;
  AddBoth(norm, device, decoder);
}

void CudaPersistentTest::AddLinear(int64_t rows, Tensor& in, Tensor& out, bool residual,
                                   Decoder* decoder, ActivationFunction activation) {
  const Weight& weight = decoder->weights.emplace_back(MakeWeight(rows, in.width, seed_++));
  LinearOp host;
  host.activation = activation;
  LinearOp device = host;
  host.weight = weight.host();
  host.in = in.host();
  host.out = out.host();
  host.out.width = rows;
  device.weight = weight.device;
  device.in = in.device;
  device.out = out.device;
  device.out.width = rows;
  if (residual) {
    host.residual = host.out;
    device.residual = device.out;
  }
  AddBoth(host, device, decoder);
}

void CudaPersistentTest::AddLayer(const ModelShape& shape, const RelativeBias& host_bias,
                                  const RelativeBias& device_bias, Decoder* decoder) {
  Decoder& d = *decoder;
  const AttentionShape& heads = shape.attention;
  const int64_t inner = cpu::QueryWidth(heads);
  const int64_t blocks = 8 + (kMaxPast + kMaxSource) / shape.block_size;
  const int64_t count = blocks * shape.block_size * heads.num_kv_heads * heads.head_size;
  for (int i = 0; i < 2; ++i) {
    d.pages.push_back(Rounded(cpu::RandomFloats(count, seed_++), dtype()));
  }
  std::vector<float>& keys = d.pages[d.pages.size() - 2];
  std::vector<float>& values = d.pages.back();
  PagedKv host_cache{keys.data(),      values.data(),      DataType::kFloat32, blocks,
                     shape.block_size, heads.num_kv_heads, heads.head_size};
  PagedKv cache = host_cache;
  cache.dtype = dtype();
  cache.keys = UploadAs(keys, dtype());
  cache.values = UploadAs(values, dtype());
  d.caches.push_back(cache);

  AddNorm(d.hidden, d.normed, 1.0f, decoder);
  AddLinear(cpu::QkvWidth(heads), d.normed, d.qkv, false, decoder);
  SelfAttentionOp self;
  self.shape = heads;
  self.kernel = AttentionKernel::kCuda;
  SelfAttentionOp device_self = self;
  self.bias = host_bias;
  self.cache = host_cache;
  self.qkv = d.qkv.host();
  self.out = d.attention.host();
  device_self.bias = device_bias;
  device_self.cache = cache;
  device_self.qkv = d.qkv.device;
  device_self.out = d.attention.device;
  AddBoth(self, device_self, decoder);
  AddLinear(shape.d_model, d.attention, d.hidden, true, decoder);

  AddNorm(d.hidden, d.normed, 1.0f, decoder);
  AddLinear(inner, d.normed, d.qkv, false, decoder);
  CrossAttentionOp cross;
  cross.shape = heads;
  cross.kernel = AttentionKernel::kCudaTensor;
  CrossAttentionOp device_cross = cross;
  cross.cache = host_cache;
  cross.query = d.qkv.host();
  cross.query.width = inner;
  cross.out = d.attention.host();
  device_cross.cache = cache;
  device_cross.query = d.qkv.device;
  device_cross.query.width = inner;
  device_cross.out = d.attention.device;
  AddBoth(cross, device_cross, decoder);
  AddLinear(shape.d_model, d.attention, d.hidden, true, decoder);

  AddNorm(d.hidden, d.normed, 1.0f, decoder);
  if (shape.gated) {
    const Weight& weight =
        d.weights.emplace_back(MakeWeight(2 * shape.ffn, shape.d_model, seed_++));
    GatedLinearOp gate;
    GatedLinearOp device_gate;
    gate.weight = weight.host();
    gate.in = d.normed.host();
    gate.out = d.ffn.host();
    device_gate.weight = weight.device;
    device_gate.in = d.normed.device;
    device_gate.scratch = d.gate_up.device;
    device_gate.out = d.ffn.device;
    AddBoth(gate, device_gate, decoder);
  } else {
    AddLinear(shape.ffn, d.normed, d.ffn, false, decoder, ActivationFunction::kRelu);
  }
  AddLinear(shape.d_model, d.ffn, d.hidden, true, decoder);
}

std::unique_ptr<Decoder> CudaPersistentTest::MakeDecoder(const ModelShape& shape) {
  auto decoder = std::make_unique<Decoder>();
  Decoder& d = *decoder;
  d.weights.reserve(8 * shape.layers + 8);  // operations point to their elements
  d.vectors.reserve(8 * shape.layers + 8);
  d.pages.reserve(2 * shape.layers);
  d.hidden = MakeTensor(1, shape.d_model, DataType::kFloat32, 1);
  d.normed = MakeTensor(1, shape.d_model, dtype(), 2);
  d.qkv = MakeTensor(1, cpu::QkvWidth(shape.attention), dtype(), 3);
  d.attention = MakeTensor(1, cpu::QueryWidth(shape.attention), dtype(), 4);
  d.ffn = MakeTensor(1, shape.ffn, dtype(), 5);
  d.gate_up = MakeTensor(1, 2 * shape.ffn, dtype(), 6);
  d.last = MakeTensor(1, shape.d_model, DataType::kFloat32, 7, Extent::kRows);
  d.last_normed = MakeTensor(1, shape.d_model, dtype(), 8, Extent::kRows);
  d.logits = MakeTensor(1, shape.vocab, DataType::kFloat32, 9, Extent::kRows);

  const Weight& table = d.weights.emplace_back(MakeWeight(shape.vocab, shape.d_model, 10));
  EmbedOp embed;
  embed.scale = 20.0f;
  EmbedOp device_embed = embed;
  embed.table = table.host();
  embed.out = d.hidden.host();
  device_embed.table = table.device;
  device_embed.out = d.hidden.device;
  AddBoth(embed, device_embed, decoder.get());
  const cpu::BiasTable bias(shape.attention.num_heads, false);
  d.vectors.push_back(bias.values);
  RelativeBias host_bias = bias.view();
  host_bias.table = d.vectors.back().data();
  RelativeBias device_bias = host_bias;
  device_bias.table = Upload(bias.values);
  for (int32_t i = 0; i < shape.layers; ++i) AddLayer(shape, host_bias, device_bias, &d);
  AddBoth(GatherRowsOp{.in = d.hidden.host(), .out = d.last.host()},
          GatherRowsOp{.in = d.hidden.device, .out = d.last.device}, decoder.get());
  AddNorm(d.last, d.last_normed, 0.5f, decoder.get());
  AddLinear(shape.vocab, d.last_normed, d.logits, false, decoder.get());
  return decoder;
}

std::vector<float> CudaPersistentTest::RunReference(Decoder* decoder, const DecoderInputs& inputs) {
  cpu::reference::Run(decoder->host, cpu::Step(inputs));
  return decoder->logits.values;
}

// The inputs of a step, on both sides.
struct BothInputs {
  BothInputs(const RowCase& row, int32_t token, int32_t block_size)
      : self({{row.past, 1}}, block_size),
        sources({row.source}, {1}, block_size, self.tables.end_block, 17),
        tokens{token} {
    host = self.inputs;
    host.token_ids = tokens.data();
    sources.AddTo(&host);
  }

  cpu::DecoderCase self;
  cpu::SourcesCase sources;
  std::vector<int32_t> tokens;
  DecoderInputs host;
};

constexpr ModelShape kShapes[] = {
    {3, 192, {8, 8, 40, 1.0f}, 448, true, 1003},
    {2, 64, {2, 1, 64, 0.125f}, 320, false, 37, /*block_size=*/4},  // hundreds of blocks
    {1, 1024, {16, 16, 64, 1.0f}, 2816, true, 2000},
    {1, 2112, {32, 32, 64, 1.0f}, 5120, true, 999},
};
constexpr RowCase kRows[] = {{0, 1},     {1, 15},    {15, 16},    {16, 17},    {17, 64}, {63, 65},
                             {130, 511}, {255, 512}, {257, 1025}, {319, 1200}, {40, 0}};

TEST_P(CudaPersistentTest, EqualsTheReference) {
  for (const ModelShape& shape : kShapes) {
    SCOPED_TRACE(testing::Message() << "d_model " << shape.d_model);
    const std::unique_ptr<Decoder> decoder = MakeDecoder(shape);
    for (const RowCase& row : kRows) {
      SCOPED_TRACE(testing::Message() << row.past << " in the past, source of " << row.source);
      const BothInputs inputs(row, static_cast<int32_t>(row.past % shape.vocab), shape.block_size);
      ASSERT_LE(inputs.sources.tables.end_block, decoder->caches[0].num_blocks);
      const std::vector<float> expected = RunReference(decoder.get(), inputs.host);
      NoObserver observer;
      executor().set_observer(&observer);
      Execute(decoder->device, inputs.host);
      executor().set_observer(nullptr);
      const std::vector<float> one_by_one = Read(decoder->logits);
      Execute(decoder->device, inputs.host);
      ASSERT_EQ(executor().IsPersistent(decoder->device, inputs.host),
                device().architecture() == 90);
      const std::vector<float> actual = Read(decoder->logits);
      cpu::ExpectNear(actual, expected, 2 * tolerance());
      cpu::ExpectNear(actual, one_by_one, tolerance());
      for (int32_t i = 0; i < shape.layers; ++i) {
        const PagedKv& cache = decoder->caches[i];
        const auto& keys = decoder->pages[2 * i];
        const auto& values = decoder->pages[2 * i + 1];
        cpu::ExpectNear(Download(cache.keys, keys.size(), dtype()), keys, 2 * tolerance());
        cpu::ExpectNear(Download(cache.values, values.size(), dtype()), values, 2 * tolerance());
      }
      if (HasFailure()) return;
    }
  }
}

// The same step again and again, as a recorded graph: epochs go on, and nothing depends on who is
// faster.
TEST_P(CudaPersistentTest, ReplaysGiveTheSameBits) {
  const std::unique_ptr<Decoder> decoder = MakeDecoder(kShapes[0]);
  const BothInputs inputs({130, 511}, 7, kShapes[0].block_size);
  Execute(decoder->device, inputs.host);
  const std::vector<float> expected = Read(decoder->logits);
  const DecoderInputs on_device = ToDevice(inputs.host);
  Graph graph(&device(), [&] { executor().Run(decoder->device, on_device); });
  for (int i = 0; i < 50; ++i) {
    for (int j = 0; j < 100; ++j) graph.Replay();
    Finish();
    ASSERT_EQ(Read(decoder->logits), expected) << "after " << i << " hundred replays";
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaPersistentTest, testing::Values(DataType::kBFloat16), NameOf);

}  // namespace
}  // namespace transept::kernels::cuda
