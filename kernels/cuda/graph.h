// A sequence of launches that is replayed as one.
#pragma once

#include <functional>

#include "kernels/cuda/device.h"

namespace transept::kernels::cuda {

// Movable, empty by default. Not thread-safe.
class Graph {
 public:
  Graph() = default;
  // Records what `launches` puts on the device's stream, without running it. Whatever it touches
  // must stay where it is. After an error, which goes to the device, the graph is empty.
  Graph(Device* device, const std::function<void()>& launches);
  ~Graph();
  Graph(Graph&& other) noexcept;
  Graph& operator=(Graph&& other) noexcept;

  bool empty() const { return graph_ == nullptr; }
  // Puts the whole sequence on the device's stream.
  void Replay();
  // Replays it so many times, waits for them, and returns the mean of their times in milliseconds.
  float Time(int replays);

 private:
  Device* device_ = nullptr;
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace transept::kernels::cuda
