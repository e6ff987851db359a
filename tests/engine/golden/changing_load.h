// Requests that come and go, for tests of what becomes of each.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "engine/engine.h"

namespace transept {

// A request, and what came of it.
struct Job {
  Request request;
  bool cancel = false;  // at its first token
  std::optional<RequestId> id = {};
  std::optional<absl::StatusOr<Result>> result = {};
  std::map<int, std::vector<TokenId>> streamed = {};  // by hypothesis
};

// Keeps an engine busy with jobs: the first few at once, another whenever one ends, and now and
// then another at a token, so that rows join and leave at all times.
class Load {
 public:
  Load(Engine* engine, std::vector<Job*> jobs, uint32_t seed)
      : engine_(*engine), jobs_(std::move(jobs)), random_(seed) {}

  // Returns when all jobs have ended.
  void Run(int at_once) {
    std::unique_lock lock(mu_);
    for (int i = 0; i < at_once; ++i) SubmitNext();
    all_ended_.wait(lock, [this] { return ended_ == jobs_.size(); });
  }

 private:
  class Sink final : public ResultSink {
   public:
    Sink(Load* load, Job* job) : load_(*load), job_(*job) {}
    void OnTokens(int hypothesis, absl::Span<const GeneratedToken> tokens) override {
      const std::lock_guard lock(load_.mu_);
      for (const GeneratedToken& token : tokens) {
        job_.streamed[hypothesis].push_back(token.token);
      }
      if (job_.cancel) load_.engine_.Cancel(*job_.id);
      if (load_.random_() % 4 == 0) load_.SubmitNext();
    }
    void OnFinish(absl::StatusOr<Result> result) override {
      const std::lock_guard lock(load_.mu_);
      load_.End(&job_, std::move(result));
    }

   private:
    Load& load_;
    Job& job_;
  };

  void SubmitNext() {
    if (next_ == jobs_.size()) return;
    Job* job = jobs_[next_++];
    const auto id = engine_.Submit(job->request, std::make_shared<Sink>(this, job));
    if (id.ok()) {
      job->id = *id;
    } else {
      End(job, id.status());
    }
  }

  void End(Job* job, absl::StatusOr<Result> result) {
    job->result = std::move(result);
    ++ended_;
    SubmitNext();
    all_ended_.notify_all();
  }

  Engine& engine_;
  const std::vector<Job*> jobs_;

  std::mutex mu_;  // guards the rest and the jobs
  std::condition_variable all_ended_;
  size_t next_ = 0;
  size_t ended_ = 0;
  std::mt19937 random_;
};

}  // namespace transept
