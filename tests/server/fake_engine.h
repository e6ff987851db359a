// An engine that does what a test says, on a thread of its own like the real one.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "engine/engine.h"

namespace transept::server {

// Thread-safe. Without `answer_by_itself`, requests wait until the test calls Emit and Finish.
class FakeEngine final : public Engine {
 public:
  FakeEngine();
  ~FakeEngine() override;

  // Engine.
  absl::StatusOr<RequestId> Submit(Request request, std::shared_ptr<ResultSink> sink) override;
  void Cancel(RequestId id) override;
  void Drain(TimePoint deadline) override;
  EngineStats Stats() const override;
  absl::Status Health() const override;
  const ModelSpec& spec() const override { return spec_; }
  const EngineInfo& info() const override { return info_; }

  // Requests are answered at once: with their source, token by token, less the EOS; with -0.5 for
  // each token of their targets; with states of 3, 4, 0, 0, ...
  void AnswerByItself();
  // What Submit says from now on.
  void Refuse(absl::Status status);

  // What Health says from now on.
  void SetHealth(absl::Status status);

  // The next request that Submit has taken, in order; waits for it.
  RequestId Next();
  Request RequestOf(RequestId id) const;
  // On the engine thread, in the order of the calls. Nothing happens to a request that has ended.
  void Emit(RequestId id, int hypothesis, std::vector<TokenId> tokens);
  void Finish(RequestId id, absl::StatusOr<Result> result);
  // Returns when the engine thread has done all of that.
  void Flush();

  // Waits until `id` has been cancelled.
  void WaitForCancel(RequestId id);
  // Waits until no request is live.
  void WaitForIdle();
  int cancelled() const;

 private:
  void Post(std::function<void()> task);
  void Run();
  void Echo(RequestId id);

  ModelSpec spec_;
  const EngineInfo info_{"cpu", "bfloat16", "float32", 60, 48};
  mutable std::mutex mu_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  std::map<RequestId, std::shared_ptr<ResultSink>> live_;
  std::map<RequestId, Request> requests_;
  std::deque<RequestId> arrived_;
  std::set<RequestId> cancelled_;
  absl::Status refusal_;
  absl::Status health_;
  bool answer_by_itself_ = false;
  bool stopping_ = false;
  RequestId next_id_ = 1;
  std::thread thread_;
};

// A result of one hypothesis for each of `tokens`.
Result MakeResult(const std::vector<std::vector<TokenId>>& tokens,
                  FinishReason reason = FinishReason::kEos);

}  // namespace transept::server
