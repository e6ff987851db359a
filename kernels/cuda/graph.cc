#include "kernels/cuda/graph.h"

#include <utility>

namespace transept::kernels::cuda {

Graph::Graph(Device* device, const std::function<void()>& launches) : device_(device) {
  if (!device_->Check(cudaStreamBeginCapture(device_->stream(), cudaStreamCaptureModeThreadLocal),
                      "recording a graph")) {
    return;
  }
  launches();
  cudaGraph_t recorded = nullptr;
  if (device_->Check(cudaStreamEndCapture(device_->stream(), &recorded), "recording a graph") &&
      device_->Check(cudaGraphInstantiate(&graph_, recorded, 0), "building a graph")) {
    device_->Check(cudaGraphUpload(graph_, device_->stream()), "sending a graph to the GPU");
  }
  if (recorded) cudaGraphDestroy(recorded);
}

Graph::~Graph() {
  if (graph_) cudaGraphExecDestroy(graph_);
}

Graph::Graph(Graph&& other) noexcept
    : device_(other.device_), graph_(std::exchange(other.graph_, nullptr)) {}

Graph& Graph::operator=(Graph&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(graph_, other.graph_);
  return *this;
}

void Graph::Replay() {
  if (device_->ok()) device_->Check(cudaGraphLaunch(graph_, device_->stream()), "a decoder step");
}

float Graph::Time(int replays) {
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  float time = 0.0f;
  if (device_->Check(cudaEventCreate(&begin), "creating an event") &&
      device_->Check(cudaEventCreate(&end), "creating an event")) {
    device_->Check(cudaEventRecord(begin, device_->stream()), "recording an event");
    for (int i = 0; i < replays; ++i) Replay();
    device_->Check(cudaEventRecord(end, device_->stream()), "recording an event");
    device_->Check(cudaEventSynchronize(end), "timing a graph");
    if (device_->ok()) device_->Check(cudaEventElapsedTime(&time, begin, end), "timing a graph");
  }
  if (begin) cudaEventDestroy(begin);
  if (end) cudaEventDestroy(end);
  return time / static_cast<float>(replays);
}

}  // namespace transept::kernels::cuda
