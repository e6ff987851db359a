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

}  // namespace transept::kernels::cuda
