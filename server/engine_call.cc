#include "server/engine_call.h"

#include <chrono>
#include <type_traits>
#include <utility>

#include <grpcpp/server_context.h>

#include "engine/types/errors.h"
#include "server/call_log.h"
#include "server/request_ids.h"
#include "server/request_reader.h"
#include "server/seeds.h"
#include "server/status_mapping.h"
#include "server/wire.h"
#include "server/worker_pool.h"

namespace transept::server {
namespace {

constexpr std::chrono::milliseconds kRetryAfterFullPool(100);

// Deadlines beyond this are none: clients say "for ever" with whatever their largest number is, and
// such sums overflow.
constexpr int64_t kLongestSeconds = int64_t{365} * 24 * 3600;

// The client's deadline on our clock; nullopt without one.
std::optional<TimePoint> DeadlineOf(const grpc::CallbackServerContext& context) {
  const gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
  const gpr_timespec left =
      gpr_time_sub(gpr_convert_clock_type(context.raw_deadline(), GPR_CLOCK_MONOTONIC), now);
  if (left.tv_sec > kLongestSeconds) return std::nullopt;
  if (left.tv_sec < 0) return Clock::now();
  return Clock::now() + std::chrono::seconds(left.tv_sec) + std::chrono::nanoseconds(left.tv_nsec);
}

template <typename Message>
absl::StatusOr<Request> ReadMessage(const Message& message, const Model& model,
                                    const CallServices& services) {
  if constexpr (std::is_same_v<Message, v1::GenerateRequest>) {
    return ReadRequest(message, model, services.seeds->Next());
  } else {
    return ReadRequest(message, model);
  }
}

}  // namespace

template <typename Message>
EngineCall<Message>::EngineCall(const CallServices& services, grpc::CallbackServerContext* context,
                                const grpc::ByteBuffer* request)
    : services_(services), context_(context), request_bytes_(request), arrival_(Clock::now()) {}

template <typename Message>
void EngineCall<Message>::Begin() {
  self_ = this->shared_from_this();
  if (absl::Status status = Identify(); !status.ok()) return Reject(status);
  if (!services_.pool->TryAdd([self = this->shared_from_this()] { self->Admit(); })) {
    Reject(WithRetryAfter(absl::ResourceExhaustedError("too many requests wait to be tokenized"),
                          kRetryAfterFullPool));
  }
}

template <typename Message>
absl::Status EngineCall<Message>::Identify() {
  absl::Status status = Parse(*request_bytes_, &message_);
  status.Update(CheckRequestId(message_.request_id()));
  const bool has_id = status.ok() && !message_.request_id().empty();
  request_id_ = has_id ? message_.request_id() : services_.request_ids->Next();
  if (!status.ok()) return status;
  const auto model = services_.models->Find(message_.model());
  if (!model.ok()) return model.status();
  model_ = *model;
  return CheckSizes(message_, *model_);
}

template <typename Message>
void EngineCall<Message>::Admit() {
  absl::StatusOr<Request> request = Read();
  if (!request.ok()) return Reject(request.status());
  submitted_ = Clock::now();
  const absl::StatusOr<RequestId> id =
      model_->engine->Submit(*std::move(request), this->shared_from_this());
  if (!id.ok()) return Reject(id.status());

  // From here on the call may be finished at any time: context_ may be gone.
  bool cancelled;
  {
    const std::lock_guard lock(mu_);
    engine_id_ = *id;
    cancelled = cancelled_;
  }
  if (cancelled) model_->engine->Cancel(*id);
}

template <typename Message>
absl::StatusOr<Request> EngineCall<Message>::Read() {
  bool cancelled = context_->IsCancelled();  // gRPC knows some time before it calls Cancel
  {
    const std::lock_guard lock(mu_);
    cancelled |= cancelled_;
  }
  if (cancelled) return absl::CancelledError("cancelled before it began");
  const std::optional<TimePoint> deadline = DeadlineOf(*context_);
  if (deadline.has_value() && *deadline <= Clock::now()) {
    return absl::DeadlineExceededError("the deadline passed before the request was read");
  }
  absl::StatusOr<Request> request = ReadMessage(message_, *model_, services_);
  if (!request.ok()) return request;
  request->deadline = deadline;
  Prepare(message_, *request);
  message_ = {};  // the engine may take a while: don't keep the text
  return request;
}

template <typename Message>
void EngineCall<Message>::Cancel() {
  std::optional<RequestId> id;
  {
    const std::lock_guard lock(mu_);
    cancelled_ = true;
    id = engine_id_;
  }
  if (id.has_value()) model_->engine->Cancel(*id);
}

template <typename Message>
grpc::Status EngineCall<Message>::Failure(const absl::Status& status) const {
  grpc::Status failure = ToGrpcStatus(status, request_id_, context_);
  services_.log->Write({.method = method(),
                        .request_id = request_id_,
                        .model = model_ == nullptr ? "" : std::string_view(model_->name),
                        .total_ms = Milliseconds(Clock::now() - arrival_)},
                       failure);
  return failure;
}

template <typename Message>
void EngineCall<Message>::LogSuccess(const v1::Usage& usage, const v1::Timings& timings) const {
  services_.log->Write({.method = method(),
                        .request_id = request_id_,
                        .model = model_->name,
                        .total_ms = timings.total_ms(),
                        .usage = &usage,
                        .timings = &timings},
                       grpc::Status::OK);
}

template <typename Message>
void EngineCall<Message>::FillTimings(const RequestTimings& engine, v1::Timings* timings) const {
  timings->set_queue_ms(Milliseconds(submitted_ - arrival_) + engine.queue_ms);
  timings->set_encode_ms(engine.encode_ms);
  timings->set_decode_ms(engine.decode_ms);
  timings->set_total_ms(Milliseconds(Clock::now() - arrival_));
}

template class EngineCall<v1::GenerateRequest>;
template class EngineCall<v1::ScoreRequest>;
template class EngineCall<v1::EncodeRequest>;

}  // namespace transept::server
