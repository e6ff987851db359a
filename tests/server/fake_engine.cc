#include "tests/server/fake_engine.h"

#include <utility>

#include "engine/types/errors.h"
#include "tests/server/fake_tokenizer.h"

namespace transept::server {
namespace {

std::vector<GeneratedToken> Generated(const std::vector<TokenId>& ids) {
  std::vector<GeneratedToken> tokens;
  for (const TokenId id : ids) tokens.push_back({id, -0.5f, {{id, -0.5f}, {id + 1, -1.5f}}});
  return tokens;
}

}  // namespace

Result MakeResult(const std::vector<std::vector<TokenId>>& tokens, FinishReason reason) {
  Result result;
  for (const std::vector<TokenId>& ids : tokens) {
    Hypothesis& hypothesis = result.hypotheses.emplace_back();
    hypothesis.tokens = Generated(ids);
    hypothesis.score = -0.5f * static_cast<float>(ids.size());
    hypothesis.finish_reason = reason;
    if (reason == FinishReason::kEos) hypothesis.eos = Generated({kEos}).front();
  }
  result.source_tokens = 3;
  result.encoder_reused = true;
  result.timings = {1.0, 2.0, 3.0, 6.0};
  return result;
}

FakeEngine::FakeEngine() {
  spec_.family = "t5";
  spec_.vocab_size = kVocabSize;
  spec_.d_model = 8;
  spec_.encoder.num_layers = 2;
  spec_.decoder.num_layers = 3;
  spec_.eos_tokens = {kEos};
  thread_ = std::thread([this] { Run(); });
}

FakeEngine::~FakeEngine() {
  {
    const std::lock_guard lock(mu_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

absl::StatusOr<RequestId> FakeEngine::Submit(Request request, std::shared_ptr<ResultSink> sink) {
  RequestId id;
  bool echo;
  {
    const std::lock_guard lock(mu_);
    if (!refusal_.ok()) return refusal_;
    id = next_id_++;
    live_[id] = std::move(sink);
    requests_[id] = std::move(request);
    arrived_.push_back(id);
    echo = answer_by_itself_;
  }
  changed_.notify_all();
  if (echo) Echo(id);
  return id;
}

void FakeEngine::Echo(RequestId id) {
  const Request request = RequestOf(id);
  if (request.scores()) return Finish(id, MakeResult(request.targets, FinishReason::kLength));
  if (request.pooling) {
    Result result = MakeResult({});
    const size_t states = request.pooling == Pooling::kAll ? request.source.size() : 1;
    for (size_t i = 0; i < states; ++i) {
      result.states.insert(result.states.end(), {3.0f, 4.0f});
      result.states.resize((i + 1) * spec_.d_model);
    }
    return Finish(id, std::move(result));
  }
  std::vector<TokenId> tokens = request.source;
  if (!tokens.empty() && tokens.back() == kEos) tokens.pop_back();
  const std::vector<std::vector<TokenId>> all(request.params.num_sequences, tokens);
  for (const TokenId token : tokens) {
    for (int i = 0; i < request.params.num_sequences; ++i) Emit(id, i, {token});
  }
  Finish(id, MakeResult(all));
}

void FakeEngine::Cancel(RequestId id) {
  {
    const std::lock_guard lock(mu_);
    cancelled_.insert(id);
  }
  changed_.notify_all();
  Finish(id, absl::CancelledError("cancelled"));
}

void FakeEngine::Drain(TimePoint deadline) {
  std::vector<RequestId> rest;
  {
    std::unique_lock lock(mu_);
    refusal_ = WithRetryAfter(absl::UnavailableError("draining"), std::chrono::milliseconds(1500));
    changed_.wait_until(lock, deadline, [this] { return live_.empty(); });
    for (const auto& [id, sink] : live_) rest.push_back(id);
  }
  for (const RequestId id : rest) Finish(id, absl::UnavailableError("the server is stopping"));
  Flush();
}

EngineStats FakeEngine::Stats() const {
  const std::lock_guard lock(mu_);
  EngineStats stats;
  stats.requests_running = static_cast<int64_t>(live_.size());
  return stats;
}

void FakeEngine::AnswerByItself() {
  const std::lock_guard lock(mu_);
  answer_by_itself_ = true;
}

absl::Status FakeEngine::Health() const {
  const std::lock_guard lock(mu_);
  return health_;
}

void FakeEngine::SetHealth(absl::Status status) {
  const std::lock_guard lock(mu_);
  health_ = std::move(status);
}

void FakeEngine::Refuse(absl::Status status) {
  const std::lock_guard lock(mu_);
  refusal_ = std::move(status);
}

RequestId FakeEngine::Next() {
  std::unique_lock lock(mu_);
  changed_.wait(lock, [this] { return !arrived_.empty(); });
  const RequestId id = arrived_.front();
  arrived_.pop_front();
  return id;
}

Request FakeEngine::RequestOf(RequestId id) const {
  const std::lock_guard lock(mu_);
  return requests_.at(id);
}

void FakeEngine::Emit(RequestId id, int hypothesis, std::vector<TokenId> tokens) {
  Post([this, id, hypothesis, tokens = std::move(tokens)] {
    std::shared_ptr<ResultSink> sink;
    {
      const std::lock_guard lock(mu_);
      const auto it = live_.find(id);
      if (it != live_.end()) sink = it->second;
    }
    if (sink != nullptr) sink->OnTokens(hypothesis, Generated(tokens));
  });
}

void FakeEngine::Finish(RequestId id, absl::StatusOr<Result> result) {
  Post([this, id, result = std::move(result)] {
    std::shared_ptr<ResultSink> sink;
    {
      const std::lock_guard lock(mu_);
      const auto it = live_.find(id);
      if (it == live_.end()) return;
      sink = std::move(it->second);
      live_.erase(it);
    }
    sink->OnFinish(result);
    changed_.notify_all();
  });
}

void FakeEngine::Flush() {
  std::mutex mu;
  std::condition_variable done_changed;
  bool done = false;
  Post([&] {
    const std::lock_guard lock(mu);
    done = true;
    done_changed.notify_all();
  });
  std::unique_lock lock(mu);
  done_changed.wait(lock, [&] { return done; });
}

void FakeEngine::WaitForCancel(RequestId id) {
  std::unique_lock lock(mu_);
  changed_.wait(lock, [&] { return cancelled_.count(id) > 0; });
}

void FakeEngine::WaitForIdle() {
  std::unique_lock lock(mu_);
  changed_.wait(lock, [this] { return live_.empty() && tasks_.empty(); });
}

int FakeEngine::cancelled() const {
  const std::lock_guard lock(mu_);
  return static_cast<int>(cancelled_.size());
}

void FakeEngine::Post(std::function<void()> task) {
  {
    const std::lock_guard lock(mu_);
    tasks_.push_back(std::move(task));
  }
  changed_.notify_all();
}

void FakeEngine::Run() {
  std::unique_lock lock(mu_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    const std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    lock.lock();
    changed_.notify_all();
  }
}

}  // namespace transept::server
