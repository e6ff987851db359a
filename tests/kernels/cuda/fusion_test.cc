// Norms that their neighbours take over: a chain of operations as a decoder layer has them, fused
// and as the reference runs it.
#include "kernels/cuda/fusion.h"

#include "kernels/cpu/reference.h"
#include "tests/kernels/cuda/gpu.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cuda {
namespace {

// The feed-forward layer is so wide that products which no kernel of few rows serves leave what
// they come to in parts.
constexpr int64_t kWidth = 160, kInner = 96, kFfn = 1024, kVocab = 50;

class CudaFusionTest : public GpuTest {
 protected:
  // A program once on the host, once on the device.
  struct Chain {
    Program host, device;
    Tensor hidden, normed, inner, ffn;
  };

  Chain MakeChain(int32_t rows) {
    Chain chain;
    chain.hidden = MakeTensor(rows, kWidth, DataType::kFloat32, 7);
    chain.normed = MakeTensor(rows, kWidth, dtype(), 8);
    chain.inner = MakeTensor(rows, kInner, dtype(), 9);
    chain.ffn = MakeTensor(rows, kFfn, dtype(), 10);
    return chain;
  }

  void AddEmbedding(const Weight& table, Chain* chain) {
    EmbedOp embed;
    embed.scale = 12.0f;
    embed.table = table.host();
    embed.out = chain->hidden.host();
    chain->host.operations.push_back(embed);
    embed.table = table.device;
    embed.out = chain->hidden.device;
    chain->device.operations.push_back(embed);
  }

  // `norm`: with vectors of the host. `replaces`: its result becomes the stream.
  void AddNorm(NormOp norm, bool replaces, Chain* chain) {
    norm.eps = 1e-3f;
    norm.in = chain->hidden.host();
    norm.out = chain->normed.host();
    if (replaces) norm.stream = norm.in;
    chain->host.operations.push_back(norm);
    for (Vector* vector : {&norm.weight, &norm.bias}) {
      if (vector->data == nullptr) continue;
      *vector = UploadVector(std::vector<float>(vector->data, vector->data + vector->size));
    }
    norm.in = chain->hidden.device;
    norm.out = chain->normed.device;
    if (replaces) norm.stream = norm.in;
    chain->device.operations.push_back(norm);
  }

  void AddLinear(const Weight& weight, Tensor& in, Tensor& out, bool residual, Chain* chain,
                 const std::vector<float>* bias = nullptr) {
    LinearOp linear;
    linear.weight = weight.host();
    if (bias) linear.bias = {bias->data(), weight.device.rows};
    linear.in = in.host();
    linear.out = out.host();
    if (residual) linear.residual = linear.out;
    chain->host.operations.push_back(linear);
    linear.weight = weight.device;
    if (bias) linear.bias = UploadVector(*bias);
    linear.in = in.device;
    linear.out = out.device;
    if (residual) linear.residual = linear.out;
    chain->device.operations.push_back(linear);
  }

  // Runs the chain on `rows` tokens, on both sides.
  void Run(int32_t rows, const Chain& chain) {
    std::vector<int32_t> ids(rows), positions(rows);
    for (int32_t i = 0; i < rows; ++i) {
      ids[i] = i * 7 % kVocab;
      positions[i] = i;
    }
    EncoderInputs inputs;
    inputs.num_tokens = rows;
    inputs.token_ids = ids.data();
    inputs.positions = positions.data();
    for (const Operation& operation : chain.host.operations) {
      std::visit(
          [&](const auto& op) {
            if constexpr (requires { cpu::reference::Run(op, cpu::Step(inputs)); }) {
              cpu::reference::Run(op, cpu::Step(inputs));
            }
          },
          operation);
    }
    Execute(chain.device, inputs);
  }
};

// Around every number of rows at which another kernel serves.
constexpr int32_t kRows[] = {1, 5, 16, 17, 32, 33, 64, 65, 90, 128, 256, 257, 512, 513};

TEST_P(CudaFusionTest, ChainEqualsTheReference) {
  const Weight table = MakeWeight(kVocab, kWidth, 1);
  const Weight up = MakeWeight(kInner, kWidth, 2), down = MakeWeight(kWidth, kInner, 3);
  const Weight gated = MakeWeight(2 * kFfn, kWidth, 4);
  const std::vector<float> first = cpu::RandomFloats(kWidth, 5);
  const std::vector<float> second = cpu::RandomFloats(kWidth, 6);
  for (const int32_t rows : kRows) {
    SCOPED_TRACE(testing::Message() << rows << " rows");
    Chain chain = MakeChain(rows);
    NormOp norm;
    norm.output_scale = 0.5f;
    AddEmbedding(table, &chain);
    norm.weight = {first.data(), kWidth};
    AddNorm(norm, /*replaces=*/false, &chain);
    AddLinear(up, chain.normed, chain.inner, false, &chain);
    AddLinear(down, chain.inner, chain.hidden, true, &chain);
    norm.weight = {second.data(), kWidth};
    AddNorm(norm, /*replaces=*/false, &chain);
    GatedLinearOp gate;
    gate.weight = gated.host();
    gate.in = chain.normed.host();
    gate.out = chain.ffn.host();
    chain.host.operations.push_back(gate);
    gate.weight = gated.device;
    gate.in = chain.normed.device;
    gate.scratch = MakeTensor(rows, 2 * kFfn, dtype(), 11).device;
    gate.out = chain.ffn.device;
    chain.device.operations.push_back(gate);

    Run(rows, chain);
    cpu::ExpectNear(Read(chain.hidden), chain.hidden.values, 2 * tolerance());
    cpu::ExpectNear(Read(chain.ffn), chain.ffn.values, 2 * tolerance());
  }
}

// As decoder layers of BART and NLLB have them: layer norms behind or in front of their blocks, and
// biases.
TEST_P(CudaFusionTest, ChainOfLayerNormsEqualsTheReference) {
  const Weight table = MakeWeight(kVocab, kWidth, 1);
  const Weight up = MakeWeight(kInner, kWidth, 2), down = MakeWeight(kWidth, kInner, 3);
  const Weight ffn_in = MakeWeight(kFfn, kWidth, 4), ffn_out = MakeWeight(kWidth, kFfn, 5);
  const std::vector<float> weight = cpu::RandomFloats(kWidth, 6),
                           bias = cpu::RandomFloats(kWidth, 7),
                           ffn_bias = cpu::RandomFloats(kFfn, 8);
  NormOp norm;
  norm.kind = NormKind::kLayer;
  norm.weight = {weight.data(), kWidth};
  norm.bias = {bias.data(), kWidth};
  for (const bool behind : {false, true}) {
    for (const int32_t rows : kRows) {
      SCOPED_TRACE(testing::Message() << rows << " rows" << (behind ? ", norms behind" : ""));
      Chain chain = MakeChain(rows);
      AddEmbedding(table, &chain);
      for (int layer = 0; layer < 2; ++layer) {
        AddNorm(norm, behind, &chain);
        AddLinear(up, chain.normed, chain.inner, false, &chain, &bias);
        AddLinear(down, chain.inner, chain.hidden, true, &chain, &bias);
        AddNorm(norm, behind, &chain);
        AddLinear(ffn_in, chain.normed, chain.ffn, false, &chain, &ffn_bias);
        AddLinear(ffn_out, chain.ffn, chain.hidden, true, &chain, &weight);
      }
      Run(rows, chain);
      cpu::ExpectNear(Read(chain.hidden), chain.hidden.values, 4 * tolerance());
      cpu::ExpectNear(Read(chain.ffn), chain.ffn.values, 4 * tolerance());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaFusionTest,
                         testing::Values(DataType::kFloat32, DataType::kBFloat16,
                                         DataType::kFloat16),
                         NameOf);

}  // namespace
}  // namespace transept::kernels::cuda
