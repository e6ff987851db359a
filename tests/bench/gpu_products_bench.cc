// Times the GPU's matrix products of few rows, by the kernel of our own and by cuBLASLt.
//
//   transept_gpu_products_bench [ROWS...]
//
// Prints one line for each weight and number of rows: microseconds a product, in a recorded chain
// of products whose weights do not fit into the second-level cache together, with the bias,
// residual and types that decoder steps have; and the floor, the bytes of the weight at 4.4 TB/s.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "kernels/cuda/blas.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/graph.h"
#include "kernels/cuda/skinny.h"

namespace transept::kernels::cuda {
namespace {

struct Shape {
  const char* name;
  int64_t out;
  int64_t in;
  bool gated = false;
  bool residual = false;
};
constexpr Shape kShapes[] = {
    {"512 qkv", 1536, 512},
    {"512 out", 512, 512, false, true},
    {"512 up", 2048, 512},
    {"512 down", 512, 2048, false, true},
    {"1024 qkv", 3072, 1024},
    {"1024 out", 1024, 1024, false, true},
    {"1024 up", 4096, 1024},
    {"1024 down", 1024, 4096, false, true},
    {"1024 gated", 5632, 1024, true},
    {"1024 down 2816", 1024, 2816, false, true},
    {"2048 qkv", 6144, 2048},
    {"2048 out", 2048, 2048, false, true},
    {"2048 gated", 10240, 2048, true},
    {"2048 down", 2048, 5120, false, true},
    {"512 logits", 58101, 512},
    {"1024 logits", 50264, 1024},
};

constexpr int64_t kChainBytes = int64_t{200} << 20;
constexpr int64_t kMostRows = 512;
constexpr int32_t kPartsOfNorm = 64;  // what products of 1024 features leave

class Bench {
 public:
  explicit Bench(Device* device) : device_(*device), blas_(device) {
    Allocate(&weights_, kChainBytes + (int64_t{128} << 20));
    Allocate(&in_, kMostRows * 8192 * 2);
    Allocate(&out_, kMostRows * 65536 * 4);
    Allocate(&bias_, 65536 * 4);
    Allocate(&sums_, kMaxSkinnyRows * kMaxParts * sizeof(RowSums));
    Allocate(&scaled_, kMaxSkinnyRows * 8192 * 2);
  }
  ~Bench() {
    for (void* memory : {weights_, in_, out_, bias_, sums_, scaled_}) cudaFree(memory);
  }

  void Run(const Shape& shape, int64_t rows) {
    std::printf("%-16s %4ld rows  floor %6.2f", shape.name, static_cast<long>(rows),
                shape.out * shape.in * 2 / 4.4e6);
    const FusedProduct product = ProductFor(shape, rows, 0);
    if (SkinnySupports(product)) {
      for (const bool norms : {false, true}) {
        with_norms_ = norms;
        Report(norms ? "with norm" : "skinny", shape, rows,
               [&](const FusedProduct& p) { RunSkinny(p, device_); });
      }
      with_norms_ = false;
    }
    blas_.set_measuring(true);
    blas_.Run(BlasProductOf(product));
    blas_.set_measuring(false);
    Report("blas", shape, rows, [&](const FusedProduct& p) { blas_.Run(BlasProductOf(p)); });
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  void Allocate(void** memory, int64_t bytes) {
    device_.Check(cudaMalloc(memory, bytes), "allocating");
    device_.Check(cudaMemset(*memory, 0x11, bytes), "filling");
  }
  FusedProduct ProductFor(const Shape& shape, int64_t rows, int64_t index) const {
    const int64_t width = shape.gated ? shape.out / 2 : shape.out;
    const bool float32 = shape.residual || shape.out > 50000;
    FusedProduct product;
    product.weight = {static_cast<char*>(weights_) + index * WeightBytes(shape),
                      DataType::kBFloat16, shape.out, shape.in, /*padded=*/true};
    product.gated = shape.gated;
    if (!shape.gated) product.bias = {static_cast<const float*>(bias_), shape.out, /*padded=*/true};
    product.in = {in_, DataType::kBFloat16, shape.in, StrideFor(shape.in), Extent::kTokens};
    product.out = {out_, float32 ? DataType::kFloat32 : DataType::kBFloat16, width,
                   StrideFor(width), Extent::kTokens};
    if (shape.residual) product.residual = product.out;
    product.rows = rows;
    if (with_norms_) AddNorms(shape, &product);
    return product;
  }
  // As in a decoder layer: what adds to the residual stream leaves a norm, all else takes one.
  void AddNorms(const Shape& shape, FusedProduct* product) const {
    SplitNorm norm;
    norm.weight = static_cast<const float*>(bias_);
    norm.sums = static_cast<RowSums*>(sums_);
    norm.scaled = scaled_;
    if (shape.residual) {
      norm.inverse_width = 1.0f / shape.out;
      norm.scaled_stride = StrideFor(shape.out);
      norm.parts = SkinnyParts(*product, device_);
      product->norm_after = norm;
    } else {
      norm.inverse_width = 1.0f / shape.in;
      norm.parts = kPartsOfNorm;
      product->norm_before = norm;
    }
  }
  static int64_t WeightBytes(const Shape& shape) { return Padded(shape.out) * shape.in * 2; }
  // Without what cuBLASLt leaves to another kernel.
  static Product BlasProductOf(const FusedProduct& p) {
    Product product;
    product.weight = p.weight;
    product.in = p.in;
    product.out = p.out;
    product.rows = p.rows;
    product.out.width = p.weight.rows;
    if (p.gated) product.out.stride = StrideFor(p.weight.rows);
    product.add_to_out = p.residual.data != nullptr;
    product.bias = p.bias.data;  // whatever the type: what it holds is of no interest
    product.bias_padded = true;
    return product;
  }

  void Report(const char* name, const Shape& shape, int64_t rows,
              const std::function<void(const FusedProduct&)>& run) {
    const int64_t count = std::max<int64_t>(kChainBytes / WeightBytes(shape), 2);
    const auto chain = [&] {
      for (int64_t i = 0; i < count; ++i) run(ProductFor(shape, rows, i));
    };
    chain();
    Graph graph(&device_, chain);
    graph.Replay();
    cudaEvent_t begin, end;
    cudaEventCreate(&begin);
    cudaEventCreate(&end);
    constexpr int kReplays = 3;
    cudaEventRecord(begin, device_.stream());
    for (int i = 0; i < kReplays; ++i) graph.Replay();
    cudaEventRecord(end, device_.stream());
    device_.Check(cudaEventSynchronize(end), "timing");
    float milliseconds = 0.0f;
    cudaEventElapsedTime(&milliseconds, begin, end);
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    std::printf("  %s %.2f", name, 1e3f * milliseconds / (kReplays * count));
  }

  Device& device_;
  Blas blas_;
  void* weights_ = nullptr;
  void* in_ = nullptr;
  void* out_ = nullptr;
  void* bias_ = nullptr;
  void* sums_ = nullptr;
  void* scaled_ = nullptr;
  bool with_norms_ = false;
};

int Main(int argc, char** argv) {
  std::vector<int64_t> rows;
  for (int i = 1; i < argc; ++i)
    rows.push_back(std::clamp<int64_t>(std::atoi(argv[i]), 1, kMostRows));
  if (rows.empty()) rows = {1, 16, 32, 64, 128, 512};
  std::string error;
  const std::unique_ptr<Device> device = Device::Open(&error);
  if (device == nullptr) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  Bench bench(device.get());
  for (const Shape& shape : kShapes) {
    for (const int64_t count : rows) bench.Run(shape, count);
  }
  if (!device->ok()) std::fprintf(stderr, "%s\n", device->error().c_str());
  return device->ok() ? 0 : 1;
}

}  // namespace
}  // namespace transept::kernels::cuda

int main(int argc, char** argv) {
  return transept::kernels::cuda::Main(argc, argv);
}
