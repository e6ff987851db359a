#include "kernels/cuda/persistent.h"

#include <utility>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/persistent_attention.cuh"
#include "kernels/cuda/persistent_results.cuh"

namespace transept::kernels::cuda {
namespace {

constexpr int kAllThreads = kPersistentThreads + 32;  // a warp fills the ring of weights

struct PersistentParameters {
  const Task* tasks;
  int num_tasks;
  Word* words;
  uint32_t* epochs;
  DecoderInputs inputs;
};

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900

// Fetches what tasks need of the step's one row.
__device__ void LoadRow(const DecoderInputs& inputs, PersistentShared& shared) {
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0) shared.token = inputs.token_ids[0];
  if (thread == 1) shared.position = inputs.positions[0];
  if (thread == 2) shared.slot = inputs.self_slots[0];
  if (thread == 3) shared.cross_length = inputs.cross_lengths[0];
  for (int i = thread; i < inputs.block_table_stride; i += kPersistentThreads) {
    shared.pages[i] = inputs.block_tables[i];
  }
  for (int i = thread; i < inputs.cross_block_table_stride; i += kPersistentThreads) {
    shared.cross_pages[i] = inputs.cross_block_tables[i];
  }
  SyncThreads();
}

// Grid: one block a multiprocessor, so that all are there at once: each waits for the others.
__global__ void __launch_bounds__(kAllThreads, 1) PersistentKernel(const PersistentParameters p) {
  PersistentShared& shared = Shared();
  LetSuccessorStart();
  const int words = p.num_tasks * static_cast<int>(sizeof(Task) / sizeof(uint2));
  for (int i = threadIdx.x; i < words; i += blockDim.x) {
    reinterpret_cast<uint2*>(shared.tasks)[i] = reinterpret_cast<const uint2*>(p.tasks)[i];
  }
  __syncthreads();
  for (int i = threadIdx.x; i < p.num_tasks; i += blockDim.x) {
    shared.strips[i] = static_cast<int16_t>(StripsOf(shared.tasks[i]));
  }
  if (threadIdx.x == 0) InitializeRing();
  __syncthreads();
  if (threadIdx.x >= kPersistentThreads) {
    if (threadIdx.x == kPersistentThreads) WeightFiller().Run(p.num_tasks);
    return;
  }
  WeightReader weights;
  WaitForPredecessor();
  LoadRow(p.inputs, shared);
  PersistentBlock block{p.words, p.epochs[blockIdx.x]};
#pragma unroll 1
  for (int i = 0; i < p.num_tasks; ++i) {
    const Task& task = shared.tasks[i];
    ++block.epoch;
    block.strips = shared.strips[i];
    if (i + 1 < p.num_tasks) PrefetchKeys(shared.tasks[i + 1]);
    switch (task.kind) {
      case TaskKind::kEmbed: RunEmbed(task, shared.token, block); break;
      case TaskKind::kProduct: RunProduct(task, weights, block); break;
      case TaskKind::kSelfAttention: RunSelfAttention(i, block); break;
      case TaskKind::kCrossAttention: RunCrossAttention(i, block); break;
    }
  }
  SyncThreads();  // everybody has read the epoch
  if (threadIdx.x == 0) p.epochs[blockIdx.x] = block.epoch;
}

#else  // no copy engine that threads could use

__global__ void PersistentKernel(const PersistentParameters) {}

#endif

}  // namespace

std::unique_ptr<PersistentDecoder> PersistentDecoder::Create(const Program& program,
                                                             const BiasTables& biases,
                                                             Device* device) {
  if (device->architecture() != 90) return nullptr;
  const std::optional<PersistentPlan> plan =
      PlanPersistent(program, biases, device->multiprocessors());
  if (!plan || sizeof(PersistentShared) > device->max_shared_bytes()) return nullptr;
  std::unique_ptr<PersistentDecoder> decoder(new PersistentDecoder(device));
  decoder->Upload(*plan);
  return decoder;
}

void PersistentDecoder::Upload(const PersistentPlan& plan) {
  num_tasks_ = static_cast<int>(plan.tasks.size());
  const size_t task_bytes = plan.tasks.size() * sizeof(Task);
  const size_t word_bytes = plan.num_words * sizeof(Word);
  const size_t epoch_bytes = device_.multiprocessors() * sizeof(uint32_t);
  if (device_.Check(cudaMalloc(&tasks_, task_bytes), "allocating the decoder's tasks") &&
      device_.Check(cudaMalloc(&words_, word_bytes), "allocating the decoder's exchange") &&
      device_.Check(cudaMalloc(&epochs_, epoch_bytes), "allocating the decoder's epochs")) {
    device_.Check(cudaMemcpy(tasks_, plan.tasks.data(), task_bytes, cudaMemcpyHostToDevice),
                  "writing the decoder's tasks");
    device_.Check(cudaMemsetAsync(words_, 0, word_bytes, device_.stream()), "clearing");
    device_.Check(cudaMemsetAsync(epochs_, 0, epoch_bytes, device_.stream()), "clearing");
  }
}

PersistentDecoder::~PersistentDecoder() {
  cudaFree(epochs_);
  cudaFree(words_);
  cudaFree(tasks_);
}

bool PersistentDecoder::Serves(const DecoderInputs& inputs) {
  return inputs.num_rows == 1 && inputs.num_tokens == 1 && inputs.num_sources == 1 &&
         inputs.ancestry == nullptr && inputs.block_table_stride <= kMaxPages &&
         inputs.cross_block_table_stride <= kMaxPages;
}

void PersistentDecoder::Run(const DecoderInputs& inputs) {
  const dim3 grid(device_.multiprocessors());
  Launch(device_, "the persistent decoder", {grid, kAllThreads, sizeof(PersistentShared)},
         PersistentKernel,
         PersistentParameters{.tasks = tasks_,
                              .num_tasks = num_tasks_,
                              .words = static_cast<Word*>(words_),
                              .epochs = epochs_,
                              .inputs = inputs});
}

}  // namespace transept::kernels::cuda
