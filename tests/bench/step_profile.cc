// Where the time of a decoder step goes, kernel by kernel as the step's graph runs, overlap
// included.
//
//   CUDA_INJECTION64_PATH=lib/libtransept_step_profile.so transept-bench --device cuda ...
//
// The loader has to find CUPTI, which a toolkit has in extras/CUPTI/lib64. Any program that runs
// steps will do. At its end, prints the last steps of the most frequent number of kernels: for
// each kind of kernel, by name, grid, block and dynamic shared memory, how often a step has it,
// the mean of its duration, from its first block's start to its last one's end, and of what it
// adds to the step: the time from the end of the kernel in front to its own. Then the mean time
// from a step's last kernel to the next one's first. CUPTI, which notes all this, makes the steps
// some percent longer.
#include <cupti.h>
#include <cxxabi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

constexpr size_t kKept = 60000;  // the last kernels
constexpr size_t kSteps = 30;    // at most

struct Kernel {
  uint64_t begin;
  uint64_t end;
  std::string kind;
};
using Step = std::vector<Kernel>;

// All that was noted, of one process. CUPTI calls from one thread at a time.
std::deque<Kernel>& Kernels() {
  static auto* const kernels = new std::deque<Kernel>;
  return *kernels;
}

// Without namespaces and parameters.
std::string ShortName(const char* mangled) {
  int status = 0;
  char* const demangled = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  std::string name = demangled ? demangled : mangled;
  std::free(demangled);
  for (const std::string noise :
       {"transept::kernels::cuda::", "(anonymous namespace)::", "void "}) {
    for (size_t at; (at = name.find(noise)) != std::string::npos;) name.erase(at, noise.size());
  }
  return name.substr(0, std::min<size_t>(name.find('('), 60));
}

std::string KindOf(const CUpti_ActivityKernel10& kernel) {
  char shape[96];
  std::snprintf(shape, sizeof(shape), " (%d, %d, %d) x %d, %d bytes", kernel.gridX, kernel.gridY,
                kernel.gridZ, kernel.blockX, kernel.dynamicSharedMemory);
  return ShortName(kernel.name) + shape;
}

void CUPTIAPI GiveBuffer(uint8_t** buffer, size_t* size, size_t* records) {
  *size = size_t{8} << 20;
  *buffer = static_cast<uint8_t*>(std::aligned_alloc(8, *size));
  *records = 0;
}

void CUPTIAPI TakeBuffer(CUcontext, uint32_t, uint8_t* buffer, size_t, size_t valid) {
  CUpti_Activity* record = nullptr;
  while (cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS) {
    if (record->kind != CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) continue;
    const auto& kernel = *reinterpret_cast<const CUpti_ActivityKernel10*>(record);
    if (kernel.graphNodeId == 0) continue;  // not of a step's graph
    Kernels().push_back({kernel.start, kernel.end, KindOf(kernel)});
    if (Kernels().size() > kKept) Kernels().pop_front();
  }
  std::free(buffer);
}

// A step begins by feeding tokens. Neither the first nor the last may be whole.
std::vector<Step> SplitIntoSteps(std::vector<Kernel> kernels) {
  std::sort(kernels.begin(), kernels.end(),
            [](const Kernel& a, const Kernel& b) { return a.begin < b.begin; });
  std::vector<Step> steps;
  for (Kernel& kernel : kernels) {
    if (kernel.kind.starts_with("Feed ")) steps.emplace_back();
    if (!steps.empty()) steps.back().push_back(std::move(kernel));
  }
  if (!steps.empty()) steps.pop_back();
  if (!steps.empty()) steps.erase(steps.begin());
  if (steps.size() > kSteps) steps.erase(steps.begin(), steps.end() - kSteps);
  return steps;
}

void PrintKinds(const std::vector<const Step*>& steps) {
  struct Total {
    double count = 0, duration = 0, added = 0;
  };
  std::map<std::string, Total> kinds;
  for (const Step* step : steps) {
    uint64_t before = step->front().begin;
    for (const Kernel& kernel : *step) {
      Total& total = kinds[kernel.kind];
      total.count += 1;
      total.duration += static_cast<double>(kernel.end - kernel.begin);
      total.added += static_cast<double>(kernel.end) - static_cast<double>(before);
      before = kernel.end;
    }
  }
  std::vector<std::pair<std::string, Total>> sorted(kinds.begin(), kinds.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second.added > b.second.added; });
  for (const auto& [kind, total] : sorted) {
    std::fprintf(stderr, "%6.1f times  %8.2f us each  %8.2f us added each  %8.1f us a step  %s\n",
                 total.count / steps.size(), total.duration / total.count / 1e3,
                 total.added / total.count / 1e3, total.added / steps.size() / 1e3, kind.c_str());
  }
}

void Print() {
  cuptiActivityFlushAll(1);
  const std::vector<Step> all = SplitIntoSteps({Kernels().begin(), Kernels().end()});
  std::map<size_t, int> sizes;
  for (const Step& step : all) ++sizes[step.size()];
  if (sizes.empty()) return;
  const size_t size =
      std::max_element(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) {
        return a.second < b.second;
      })->first;
  std::vector<const Step*> steps;
  double time = 0, pauses = 0;
  int num_pauses = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].size() != size) continue;
    steps.push_back(&all[i]);
    time += static_cast<double>(all[i].back().end - all[i].front().begin);
    if (i + 1 == all.size()) continue;
    pauses +=
        static_cast<double>(all[i + 1].front().begin) - static_cast<double>(all[i].back().end);
    ++num_pauses;
  }
  std::fprintf(stderr, "%zu steps of %zu kernels, %.1f us each, %.1f us between them\n",
               steps.size(), size, time / steps.size() / 1e3,
               num_pauses > 0 ? pauses / num_pauses / 1e3 : 0.0);
  PrintKinds(steps);
}

}  // namespace

// CUDA calls this when it starts.
extern "C" int InitializeInjection() {
  cuptiActivityRegisterCallbacks(GiveBuffer, TakeBuffer);
  const CUptiResult result = cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
  if (result != CUPTI_SUCCESS) std::fprintf(stderr, "no step profile: CUPTI error %d\n", result);
  std::atexit(Print);
  return 1;
}
