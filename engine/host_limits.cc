#include "engine/host_limits.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <thread>

namespace transept {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// The files of control groups version 2, as a container sees its own.
constexpr char kMemoryMax[] = "/sys/fs/cgroup/memory.max";
constexpr char kMemoryCurrent[] = "/sys/fs/cgroup/memory.current";
constexpr char kCpuMax[] = "/sys/fs/cgroup/cpu.max";

// The number that `path` begins with; `fallback` where there is none, such as "max".
uint64_t ReadNumber(const char* path, uint64_t fallback) {
  std::ifstream file(path);
  uint64_t number;
  return file >> number ? number : fallback;
}

// "MemAvailable:  23456 kB"
uint64_t MachineMemory() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  uint64_t kib;
  while (file >> name >> kib) {
    if (name == "MemAvailable:") return kib << 10;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return kUnlimited;
}

uint64_t GroupMemory() {
  const uint64_t most = ReadNumber(kMemoryMax, kUnlimited);
  if (most == kUnlimited) return kUnlimited;
  return most - std::min(most, ReadNumber(kMemoryCurrent, 0));
}

}  // namespace

uint64_t AvailableMemory() {
  return std::min(MachineMemory(), GroupMemory());
}

int AvailableCpus() {
  int cpus = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::ifstream file(kCpuMax);  // "QUOTA PERIOD", or "max PERIOD" without a quota
  uint64_t quota;
  uint64_t period;
  if (file >> quota >> period && period > 0) {
    cpus = static_cast<int>(std::clamp<uint64_t>((quota + period - 1) / period, 1, cpus));
  }
  return cpus;
}

}  // namespace transept
