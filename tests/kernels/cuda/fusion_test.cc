// Norms that their neighbours take over: a chain of operations as a decoder layer has them, fused
// and as the reference runs it.
#include "kernels/cuda/fusion.h"

#include "kernels/cpu/reference.h"
#include "tests/kernels/cuda/gpu.h"
#include "tests/kernels/support.h"

namespace transept::kernels::cuda {
namespace {

constexpr int64_t kWidth = 160, kInner = 96, kFfn = 64, kVocab = 50;

class CudaFusionTest : public GpuTest {
 protected:
  // embed, norm, linear, linear + residual, norm, gated: once on the host, once on the device.
  struct Chain {
    Program host, device;
    Tensor hidden, normed, inner, ffn;
  };

  void AddNorm(const std::vector<float>& weight, Chain* chain) {
    NormOp norm;
    norm.eps = 1e-3f;
    norm.output_scale = 0.5f;
    norm.weight = {weight.data(), kWidth};
    norm.in = chain->hidden.host();
    norm.out = chain->normed.host();
    chain->host.operations.push_back(norm);
    norm.weight = UploadVector(weight);
    norm.in = chain->hidden.device;
    norm.out = chain->normed.device;
    chain->device.operations.push_back(norm);
  }

  void AddLinear(const Weight& weight, Tensor& in, Tensor& out, bool residual, Chain* chain) {
    LinearOp linear;
    linear.weight = weight.host();
    linear.in = in.host();
    linear.out = out.host();
    if (residual) linear.residual = linear.out;
    chain->host.operations.push_back(linear);
    linear.weight = weight.device;
    linear.in = in.device;
    linear.out = out.device;
    if (residual) linear.residual = linear.out;
    chain->device.operations.push_back(linear);
  }
};

TEST_P(CudaFusionTest, ChainEqualsTheReference) {
  const Weight table = MakeWeight(kVocab, kWidth, 1);
  const Weight up = MakeWeight(kInner, kWidth, 2), down = MakeWeight(kWidth, kInner, 3);
  const Weight gated = MakeWeight(2 * kFfn, kWidth, 4);
  const std::vector<float> first = cpu::RandomFloats(kWidth, 5);
  const std::vector<float> second = cpu::RandomFloats(kWidth, 6);
  for (const int32_t rows : {1, 5, 16, 17, 32, 33, 90}) {
    SCOPED_TRACE(testing::Message() << rows << " rows");
    Chain chain;
    chain.hidden = MakeTensor(rows, kWidth, DataType::kFloat32, 7);
    chain.normed = MakeTensor(rows, kWidth, dtype(), 8);
    chain.inner = MakeTensor(rows, kInner, dtype(), 9);
    chain.ffn = MakeTensor(rows, kFfn, dtype(), 10);
    EmbedOp embed;
    embed.scale = 12.0f;
    embed.table = table.host();
    embed.out = chain.hidden.host();
    chain.host.operations.push_back(embed);
    embed.table = table.device;
    embed.out = chain.hidden.device;
    chain.device.operations.push_back(embed);
    AddNorm(first, &chain);
    AddLinear(up, chain.normed, chain.inner, false, &chain);
    AddLinear(down, chain.inner, chain.hidden, true, &chain);
    AddNorm(second, &chain);
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
    cpu::ExpectNear(Read(chain.hidden), chain.hidden.values, 2 * tolerance());
    cpu::ExpectNear(Read(chain.ffn), chain.ffn.values, 2 * tolerance());
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CudaFusionTest,
                         testing::Values(DataType::kFloat32, DataType::kBFloat16,
                                         DataType::kFloat16),
                         NameOf);

}  // namespace
}  // namespace transept::kernels::cuda
