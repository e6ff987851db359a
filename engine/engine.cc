#include "engine/engine.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/cache/block_pool.h"
#include "engine/cache/source_cache.h"
#include "engine/checkpoint/checkpoint.h"
#include "engine/engine_options.h"
#include "engine/loaded_model.h"
#include "engine/request_check.h"
#include "engine/schedule/scheduler.h"
#include "engine/small_pool.h"
#include "engine/start_engine.h"
#include "engine/text/tokenizer.h"
#include "engine/types/errors.h"

namespace transept {
namespace {

// The advice when the queue is full: longer than a step, short beside most generations.
constexpr std::chrono::milliseconds kQueueFullRetry(200);
// The first request to an idle engine may be one of many that come together. While one follows the
// other this closely the first step waits for them, up to so long: a GPU encodes all in hardly more
// time than one.
constexpr std::chrono::microseconds kBurstGap(20);
constexpr std::chrono::microseconds kLongestBurst(500);
// When another server, or a new process, is likelier to answer than this one.
constexpr std::chrono::milliseconds kElsewhereRetry(1000);

absl::Status ShuttingDown() {
  return WithRetryAfter(absl::UnavailableError("the server is shutting down"), kElsewhereRetry);
}

class EngineImpl final : public Engine {
 public:
  EngineImpl(const config::EngineConfig& config, const EngineOptions& options, LoadedModel loaded,
             std::shared_ptr<const Tokenizer> tokenizer);
  ~EngineImpl() override;

  absl::StatusOr<RequestId> Submit(Request request, std::shared_ptr<ResultSink> sink) override;
  void Cancel(RequestId id) override;
  void Drain(TimePoint deadline) override;
  EngineStats Stats() const override;
  absl::Status Health() const override;
  const ModelSpec& spec() const override { return loaded_.model->spec(); }
  const EngineInfo& info() const override { return info_; }

 private:
  struct NewRequest {
    RequestId id;
    Request request;
    std::shared_ptr<ResultSink> sink;
    TimePoint arrival;
  };
  struct CancelRequest {
    RequestId id;
  };
  struct EndAll {
    absl::Status status;
  };
  using Command = std::variant<NewRequest, CancelRequest, EndAll>;

  // Engine thread.
  void Run();
  void AwaitBurst(std::unique_lock<std::mutex>* lock);
  void Apply(NewRequest command);
  void Apply(CancelRequest command);
  void Apply(const EndAll& command);
  void Step();
  absl::Status LaunchStep(const StepPlan& plan);
  absl::Status CollectStep();
  void Fail(const absl::Status& status);
  void Deliver();
  void Publish();

  // Constant after construction.
  const RequestLimits limits_;
  const EngineInfo info_;
  const int32_t max_queue_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  const LoadedModel loaded_;

  // Engine thread only (Scheduler::Check: any thread).
  BlockPool blocks_;
  SourceCache sources_;
  Scheduler scheduler_;
  std::deque<Ticket> in_flight_;
  absl::flat_hash_map<RequestId, std::shared_ptr<ResultSink>> sinks_;

  // Guarded by mu_.
  mutable std::mutex mu_;
  std::condition_variable wake_;   // inbox_ or stopping_ changed
  std::condition_variable ended_;  // outstanding_ fell
  std::vector<Command> inbox_;
  EngineStats stats_;        // as of the last step
  int64_t queued_ = 0;       // new requests in inbox_
  int64_t outstanding_ = 0;  // requests whose OnFinish is to come
  uint64_t rejected_ = 0;    // by Submit
  RequestId next_id_ = 1;
  absl::Status health_;  // not OK once the device is lost
  bool draining_ = false;
  bool stopping_ = false;

  std::thread thread_;  // last: runs on all of the above
};

RequestLimits LimitsOf(const config::EngineConfig& config, const ModelSpec& spec) {
  RequestLimits limits;
  limits.vocab_size = spec.vocab_size;
  limits.source_vocab_size = spec.source_vocab_size();
  limits.max_source_tokens = config.max_source_tokens;
  if (spec.max_source_positions > 0) {
    limits.max_source_tokens = std::min(limits.max_source_tokens, spec.max_source_positions);
  }
  limits.max_prefix_tokens =
      config.max_source_tokens - 1;  // with the start token: the buffers' size
  limits.max_scored_tokens = config.max_source_tokens;
  limits.max_new_tokens = config.max_new_tokens;
  return limits;
}

EngineInfo InfoOf(const ModelSpec& spec, const ModelOptions& options, const RequestLimits& limits) {
  EngineInfo info;
  info.device = Name(options.device);
  info.dtype = kernels::Name(options.dtype);
  info.kv_cache_dtype = kernels::Name(options.kv_dtype);
  info.max_source_tokens = limits.max_source_tokens;
  info.max_new_tokens = limits.max_new_tokens;
  if (spec.max_target_positions > 0) {  // from the decoder start to the last token but one
    info.max_new_tokens = std::min(info.max_new_tokens, spec.max_target_positions);
  }
  return info;
}

SchedulerOptions OptionsFor(const Runner& runner, SchedulerOptions options) {
  options.encode_beside_rows = runner.encodes_beside_rows();
  return options;
}

EngineImpl::EngineImpl(const config::EngineConfig& config, const EngineOptions& options,
                       LoadedModel loaded, std::shared_ptr<const Tokenizer> tokenizer)
    : limits_(LimitsOf(config, loaded.model->spec())),
      info_(InfoOf(loaded.model->spec(), options.model, limits_)),
      max_queue_(config.max_queue),
      tokenizer_(std::move(tokenizer)),
      loaded_(std::move(loaded)),
      blocks_(loaded_.model->options().num_blocks),
      sources_(&blocks_, options.model.block_size, config.source_cache),
      scheduler_(OptionsFor(*loaded_.runner, options.scheduler), &blocks_, &sources_,
                 tokenizer_.get()) {
  stats_ = scheduler_.stats();
  thread_ = std::thread([this] { Run(); });
}

EngineImpl::~EngineImpl() {
  {
    const std::lock_guard lock(mu_);
    draining_ = true;
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

absl::StatusOr<RequestId> EngineImpl::Submit(Request request, std::shared_ptr<ResultSink> sink) {
  absl::Status status = CheckRequest(request, limits_);
  if (status.ok()) status = scheduler_.Check(request);
  const std::lock_guard lock(mu_);
  if (status.ok()) status = health_;
  if (status.ok() && draining_) status = ShuttingDown();
  if (status.ok() && queued_ + stats_.requests_waiting >= max_queue_) {
    status = WithRetryAfter(absl::ResourceExhaustedError(
                                absl::StrCat("the queue of ", max_queue_, " requests is full")),
                            kQueueFullRetry);
  }
  if (!status.ok()) {
    ++rejected_;
    return status;
  }
  const RequestId id = next_id_++;
  inbox_.push_back(NewRequest{id, std::move(request), std::move(sink), Clock::now()});
  ++queued_;
  ++outstanding_;
  wake_.notify_one();
  return id;
}

void EngineImpl::Cancel(RequestId id) {
  const std::lock_guard lock(mu_);
  inbox_.push_back(CancelRequest{id});
  wake_.notify_one();
}

void EngineImpl::Drain(TimePoint deadline) {
  std::unique_lock lock(mu_);
  draining_ = true;
  const auto all_ended = [this] { return outstanding_ == 0; };
  if (ended_.wait_until(lock, deadline, all_ended)) return;
  inbox_.push_back(EndAll{ShuttingDown()});
  wake_.notify_one();
  ended_.wait(lock, all_ended);
}

EngineStats EngineImpl::Stats() const {
  const std::lock_guard lock(mu_);
  EngineStats stats = stats_;
  stats.requests_waiting += queued_;
  stats.requests_submitted += queued_;
  stats.requests_rejected = rejected_;
  return stats;
}

absl::Status EngineImpl::Health() const {
  const std::lock_guard lock(mu_);
  return health_;
}

void EngineImpl::Run() {
  const auto has_work = [this] {
    return stopping_ || !inbox_.empty() || !scheduler_.idle() || !in_flight_.empty();
  };
  while (true) {
    std::vector<Command> commands;
    {
      std::unique_lock lock(mu_);
      if (!has_work()) {
        wake_.wait(lock, has_work);
        AwaitBurst(&lock);
      }
      commands.swap(inbox_);
      stats_.requests_waiting += std::exchange(queued_, 0);  // until Publish knows better
      if (!health_.ok()) commands.push_back(EndAll{health_});
      if (stopping_) commands.push_back(EndAll{absl::CancelledError("the engine was stopped")});
    }
    for (Command& command : commands) {
      std::visit([this](auto& c) { Apply(std::move(c)); }, command);
    }
    Step();
    const std::lock_guard lock(mu_);
    if (stopping_ && outstanding_ == 0) return;
  }
}

// Looks again and again, since to sleep for so short a time takes longer.
void EngineImpl::AwaitBurst(std::unique_lock<std::mutex>* lock) {
  const TimePoint begin = Clock::now();
  size_t arrived = inbox_.size();
  TimePoint now = begin;
  TimePoint last = begin;
  while (!stopping_ && queued_ < max_queue_ &&
         now < std::min(last + kBurstGap, begin + kLongestBurst)) {
    lock->unlock();
    const TimePoint next = now + kBurstGap / 4;  // those who submit want the lock too
    while (now < next) now = Clock::now();
    lock->lock();
    if (inbox_.size() > arrived) last = now;
    arrived = inbox_.size();
  }
}

void EngineImpl::Apply(NewRequest command) {
  sinks_.emplace(command.id, std::move(command.sink));
  const absl::Status status =
      scheduler_.Add(command.id, std::move(command.request), command.arrival);
  if (status.ok()) return;
  const auto sink = sinks_.extract(command.id);
  sink.mapped()->OnFinish(status);
  const std::lock_guard lock(mu_);
  --outstanding_;
  ended_.notify_all();
}

void EngineImpl::Apply(CancelRequest command) {
  scheduler_.Cancel(command.id);
}

void EngineImpl::Apply(const EndAll& command) {
  scheduler_.FailAll(command.status);
}

// Plans one step, launches it, and takes the results of those before it, as many as the runner does
// not keep in flight.
void EngineImpl::Step() {
  const StepPlan plan = scheduler_.Schedule(Clock::now());
  absl::Status status = plan.empty() ? absl::OkStatus() : LaunchStep(plan);
  const size_t keep = plan.empty() ? 0 : loaded_.runner->pipeline_depth();
  while (status.ok() && in_flight_.size() > keep) status = CollectStep();
  if (!status.ok()) Fail(status);
  Publish();  // first: who has its result finds it counted
  Deliver();
}

absl::Status EngineImpl::LaunchStep(const StepPlan& plan) {
  const absl::StatusOr<Ticket> ticket = loaded_.runner->Launch(plan);
  if (!ticket.ok()) return ticket.status();
  in_flight_.push_back(*ticket);
  return absl::OkStatus();
}

absl::Status EngineImpl::CollectStep() {
  const Ticket ticket = in_flight_.front();
  in_flight_.pop_front();
  const absl::StatusOr<StepResult> result = loaded_.runner->Collect(ticket);
  if (!result.ok()) return result.status();
  scheduler_.Update(*result, Clock::now());
  return absl::OkStatus();
}

// Ends every request: nothing that the steps in flight wrote can be relied on. When the device is
// lost, none will ever run again: Run ends those that were on their way here, Submit refuses
// others.
void EngineImpl::Fail(const absl::Status& status) {
  in_flight_.clear();
  if (!absl::IsUnavailable(status)) {
    spdlog::error("a step failed, its requests end: {}", std::string(status.message()));
    scheduler_.FailAll(absl::InternalError("the model could not be run"));
    return;
  }
  spdlog::critical("the device is lost, all requests end: {}", std::string(status.message()));
  const absl::Status lost =
      WithRetryAfter(absl::UnavailableError("the model's device is lost"), kElsewhereRetry);
  scheduler_.FailAll(lost);
  const std::lock_guard lock(mu_);
  health_ = lost;
}

void EngineImpl::Deliver() {
  int64_t ended = 0;
  for (Delivery& delivery : scheduler_.TakeDeliveries()) {
    const auto sink = sinks_.find(delivery.request);
    if (auto* delta = std::get_if<TokenDelta>(&delivery.event)) {
      sink->second->OnTokens(delta->hypothesis, delta->tokens);
      continue;
    }
    sink->second->OnFinish(std::move(std::get<absl::StatusOr<Result>>(delivery.event)));
    sinks_.erase(sink);
    ++ended;
  }
  if (ended == 0) return;
  const std::lock_guard lock(mu_);
  outstanding_ -= ended;
  if (outstanding_ == 0) ended_.notify_all();
}

void EngineImpl::Publish() {
  const EngineStats stats = scheduler_.stats();
  const std::lock_guard lock(mu_);
  stats_ = stats;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const config::EngineConfig& config,
                                                       const Checkpoint& checkpoint,
                                                       std::shared_ptr<const Tokenizer> tokenizer) {
  const absl::StatusOr<EngineOptions> options = ResolveEngineOptions(config, checkpoint.spec());
  if (!options.ok()) return options.status();
  absl::StatusOr<LoadedModel> loaded = LoadModel(*options, checkpoint);
  if (!loaded.ok()) return loaded.status();
  spdlog::info("{} model of {} on {}: {} weights, {} K/V blocks of {} positions, attention {}",
               checkpoint.spec().family, checkpoint.folder(), config.device,
               kernels::Name(options->model.dtype), loaded->model->options().num_blocks,
               options->model.block_size, absl::StrJoin(loaded->model->backend_names(), ", "));
  const RequestLimits limits = LimitsOf(config, checkpoint.spec());
  WarnOfSmallPool(config, InfoOf(checkpoint.spec(), options->model, limits), *loaded->model);
  return StartEngine(config, *options, *std::move(loaded), std::move(tokenizer));
}

std::unique_ptr<Engine> StartEngine(const config::EngineConfig& config,
                                    const EngineOptions& options, LoadedModel loaded,
                                    std::shared_ptr<const Tokenizer> tokenizer) {
  return std::make_unique<EngineImpl>(config, options, std::move(loaded), std::move(tokenizer));
}

}  // namespace transept
