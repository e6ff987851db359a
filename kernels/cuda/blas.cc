#include "kernels/cuda/blas.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

namespace transept::kernels::cuda {
namespace {

cudaDataType_t TypeOf(DataType type) {
  switch (type) {
    case DataType::kBFloat16: return CUDA_R_16BF;
    case DataType::kFloat16: return CUDA_R_16F;
    case DataType::kInt8: return CUDA_R_8I;
    case DataType::kFloat32: break;
  }
  return CUDA_R_32F;
}

// The descriptions cuBLASLt wants, destroyed with this object. It thinks in column-major matrices:
// outᵀ [out, rows] = weight [out, in] * inᵀ [in, rows].
class Description {
 public:
  Description(const Product& p, int64_t rows) {
    cublasLtMatmulDescCreate(&operation_, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    const cublasOperation_t transposed = CUBLAS_OP_T;
    cublasLtMatmulDescSetAttribute(operation_, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                   sizeof(transposed));
    if (p.bias || p.relu) SetEpilogue(p);
    const int64_t depth = p.weight.cols / p.parts;
    cublasLtMatrixLayoutCreate(&weight_, TypeOf(p.weight.dtype), depth, p.weight.rows,
                               p.weight.cols);
    cublasLtMatrixLayoutCreate(&in_, TypeOf(p.in.dtype), depth, rows, p.in.stride);
    cublasLtMatrixLayoutCreate(&out_, TypeOf(p.out.dtype), p.weight.rows, rows, p.out.stride);
    if (p.parts == 1) return;
    SetParts(weight_, p.parts, depth);
    SetParts(in_, p.parts, depth);
    SetParts(out_, p.parts, rows * p.out.stride);
  }
  ~Description() {
    cublasLtMatrixLayoutDestroy(out_);
    cublasLtMatrixLayoutDestroy(in_);
    cublasLtMatrixLayoutDestroy(weight_);
    cublasLtMatmulDescDestroy(operation_);
  }
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;

  cublasLtMatmulDesc_t operation() const { return operation_; }
  cublasLtMatrixLayout_t weight() const { return weight_; }
  cublasLtMatrixLayout_t in() const { return in_; }
  cublasLtMatrixLayout_t out() const { return out_; }

 private:
  static void SetParts(cublasLtMatrixLayout_t layout, int32_t parts, int64_t stride) {
    cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &parts,
                                     sizeof(parts));
    cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                                     sizeof(stride));
  }
  void SetEpilogue(const Product& p) {
    const cublasLtEpilogue_t epilogue = !p.bias  ? CUBLASLT_EPILOGUE_RELU
                                        : p.relu ? CUBLASLT_EPILOGUE_RELU_BIAS
                                                 : CUBLASLT_EPILOGUE_BIAS;
    cublasLtMatmulDescSetAttribute(operation_, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                                   sizeof(epilogue));
    cublasLtMatmulDescSetAttribute(operation_, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p.bias,
                                   sizeof(p.bias));
  }

  cublasLtMatmulDesc_t operation_ = nullptr;
  cublasLtMatrixLayout_t weight_ = nullptr;
  cublasLtMatrixLayout_t in_ = nullptr;
  cublasLtMatrixLayout_t out_ = nullptr;
};

// The largest power of two, at most 256, that divides the addresses of all operands.
uint32_t AlignmentOf(const Product& p) {
  const auto address = [](const void* data) { return reinterpret_cast<uintptr_t>(data); };
  const uintptr_t all =
      address(p.weight.data) | address(p.in.data) | address(p.out.data) | address(p.bias) | 256;
  return static_cast<uint32_t>(all & -all);
}

constexpr int kMostProposals = 8;

// The algorithms that the heuristic proposes for `rows` rows, best first; at most `most`.
cublasStatus_t Propose(Device& device, const Product& product, int64_t rows, int most,
                       std::vector<cublasLtMatmulHeuristicResult_t>* proposals) {
  const Description description(product, rows);
  cublasLtMatmulPreference_t preference = nullptr;
  cublasLtMatmulPreferenceCreate(&preference);
  const size_t workspace = Device::kWorkspaceBytes;
  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                       &workspace, sizeof(workspace));
  const uint32_t alignment = AlignmentOf(product);
  for (const cublasLtMatmulPreferenceAttributes_t operand :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    cublasLtMatmulPreferenceSetAttribute(preference, operand, &alignment, sizeof(alignment));
  }
  proposals->resize(most);
  int found = 0;
  cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      device.blas(), description.operation(), description.weight(), description.in(),
      description.out(), description.out(), preference, most, proposals->data(), &found);
  cublasLtMatmulPreferenceDestroy(preference);
  proposals->resize(found);
  if (status == CUBLAS_STATUS_SUCCESS && found == 0) status = CUBLAS_STATUS_NOT_SUPPORTED;
  return status;
}

int64_t BucketOf(int64_t rows) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(rows)));
}

}  // namespace

cublasStatus_t Blas::Multiply(const Product& p, const cublasLtMatmulAlgo_t& algorithm) {
  const Description description(p, p.rows);
  const float one = 1.0f;
  const float beta = p.add_to_out ? 1.0f : 0.0f;
  return cublasLtMatmul(device_.blas(), description.operation(), &one, p.weight.data,
                        description.weight(), p.in.data, description.in(), &beta, p.out.data,
                        description.out(), p.out.data, description.out(), &algorithm,
                        device_.workspace(), Device::kWorkspaceBytes, device_.stream());
}

float Blas::Measure(const Product& product, const cublasLtMatmulAlgo_t& algorithm) {
  constexpr int kRuns = 3;
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  device_.Check(cudaEventCreate(&begin), "creating an event");
  device_.Check(cudaEventCreate(&end), "creating an event");
  float best = INFINITY;
  for (int run = 0; run < kRuns && device_.ok(); ++run) {
    // The workspace is larger than a Hopper's second-level cache: clearing it drives the weight
    // out.
    device_.Check(
        cudaMemsetAsync(device_.workspace(), 0, Device::kWorkspaceBytes, device_.stream()),
        "clearing the workspace");
    device_.Check(cudaEventRecord(begin, device_.stream()), "recording an event");
    if (Multiply(product, algorithm) != CUBLAS_STATUS_SUCCESS) break;
    device_.Check(cudaEventRecord(end, device_.stream()), "recording an event");
    device_.Check(cudaEventSynchronize(end), "measuring a matrix product");
    float milliseconds = 0.0f;
    device_.Check(cudaEventElapsedTime(&milliseconds, begin, end), "measuring a matrix product");
    best = std::min(best, 1e3f * milliseconds);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return best;
}

bool Blas::Choose(const Product& product, cublasLtMatmulAlgo_t* algorithm) {
  std::vector<cublasLtMatmulHeuristicResult_t> proposals;
  if (!device_.Check(Propose(device_, product, BucketOf(product.rows),
                             measuring_ ? kMostProposals : 1, &proposals),
                     "choosing a matrix product")) {
    return false;
  }
  *algorithm = proposals.front().algo;
  float best = INFINITY;
  for (size_t i = 0; proposals.size() > 1 && i < proposals.size(); ++i) {
    const float time = Measure(product, proposals[i].algo);
    if (time >= best) continue;
    best = time;
    *algorithm = proposals[i].algo;
  }
  return device_.ok();
}

void Blas::Run(const Product& product) {
  if (product.rows == 0 || !device_.ok()) return;
  Product p = product;
  const int64_t padded = Padded(p.weight.rows);
  if (p.parts == 1 && p.weight.padded && (p.bias == nullptr || p.bias_padded) &&
      padded <= p.out.stride) {
    p.weight.rows = padded;
  }
  const Key key{.rows = BucketOf(p.rows),
                .in = p.weight.cols,
                .out = p.weight.rows,
                .in_stride = p.in.stride,
                .out_stride = p.out.stride,
                .type = p.weight.dtype,
                .out_type = p.out.dtype,
                .bias = p.bias != nullptr,
                .relu = p.relu,
                .add_to_out = p.add_to_out,
                .parts = p.parts,
                .alignment = AlignmentOf(p)};
  auto algorithm = algorithms_.find(key);
  if (algorithm == algorithms_.end()) {
    cublasLtMatmulAlgo_t chosen;
    if (!Choose(p, &chosen)) return;
    algorithm = algorithms_.emplace(key, chosen).first;
  }
  cublasStatus_t status = Multiply(p, algorithm->second);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE) {
    // Chosen for other rows, and not fit for these: nothing has been launched.
    std::vector<cublasLtMatmulHeuristicResult_t> proposals;
    status = Propose(device_, p, p.rows, 1, &proposals);
    if (status == CUBLAS_STATUS_SUCCESS) {
      algorithm->second = proposals.front().algo;
      status = Multiply(p, algorithm->second);
    }
  }
  device_.Check(status, "a matrix product");
}

}  // namespace transept::kernels::cuda
