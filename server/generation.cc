#include "server/generation.h"

#include <chrono>
#include <utility>

#include <grpcpp/server_context.h>

#include "engine/types/errors.h"
#include "server/model_registry.h"
#include "server/request_ids.h"
#include "server/request_reader.h"
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

}  // namespace

Generation::Generation(const CallServices& services, grpc::CallbackServerContext* context,
                       const grpc::ByteBuffer* request)
    : services_(services), context_(context), request_bytes_(request), arrival_(Clock::now()) {}

void Generation::Begin() {
  self_ = shared_from_this();
  if (absl::Status status = Identify(); !status.ok()) return Reject(status);
  if (!services_.pool->TryAdd([self = shared_from_this()] { self->Admit(); })) {
    Reject(WithRetryAfter(absl::ResourceExhaustedError("too many requests wait to be tokenized"),
                          kRetryAfterFullPool));
  }
}

absl::Status Generation::Identify() {
  absl::Status status = Parse(*request_bytes_, &request_);
  status.Update(CheckRequestId(request_.request_id()));
  const bool has_id = status.ok() && !request_.request_id().empty();
  request_id_ = has_id ? request_.request_id() : services_.request_ids->Next();
  if (!status.ok()) return status;
  const auto model = services_.models->Find(request_.model());
  if (!model.ok()) return model.status();
  model_ = *model;
  parts_ = ReadOutputParts(request_, *model_);
  return CheckSizes(request_, *model_);
}

void Generation::Admit() {
  absl::StatusOr<Request> request = Read();
  if (!request.ok()) return Reject(request.status());
  Prepare(request->params);
  submitted_ = Clock::now();
  const absl::StatusOr<RequestId> id =
      model_->engine->Submit(*std::move(request), shared_from_this());
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

absl::StatusOr<Request> Generation::Read() {
  {
    const std::lock_guard lock(mu_);
    if (cancelled_) return absl::CancelledError("cancelled before it began");
  }
  const std::optional<TimePoint> deadline = DeadlineOf(*context_);
  if (deadline.has_value() && *deadline <= Clock::now()) {
    return absl::DeadlineExceededError("the deadline passed before the request was read");
  }
  absl::StatusOr<Request> request = ReadRequest(request_, *model_);
  if (request.ok()) request->deadline = deadline;
  request_ = {};  // the engine may take a while: don't keep the text
  return request;
}

void Generation::Cancel() {
  std::optional<RequestId> id;
  {
    const std::lock_guard lock(mu_);
    cancelled_ = true;
    id = engine_id_;
  }
  if (id.has_value()) model_->engine->Cancel(*id);
}

grpc::Status Generation::ToStatus(const absl::Status& status) const {
  return ToGrpcStatus(status, request_id_, context_);
}

void Generation::FillResponse(const Result& result, std::vector<std::string> texts,
                              v1::GenerateResponse* response) const {
  response->set_request_id(request_id_);
  response->set_model(model_->name);
  int64_t generated = 0;
  for (size_t i = 0; i < result.hypotheses.size(); ++i) {
    const Hypothesis& hypothesis = result.hypotheses[i];
    generated += static_cast<int64_t>(hypothesis.tokens.size());
    ToProto(hypothesis, std::move(texts[i]), parts_, response->add_hypotheses());
  }
  v1::Usage* usage = response->mutable_usage();
  usage->set_source_tokens(result.source_tokens);
  usage->set_generated_tokens(static_cast<int32_t>(generated));
  usage->set_encoder_reused(result.encoder_reused);
  v1::Timings* timings = response->mutable_timings();
  timings->set_queue_ms(Milliseconds(submitted_ - arrival_) + result.timings.queue_ms);
  timings->set_encode_ms(result.timings.encode_ms);
  timings->set_decode_ms(result.timings.decode_ms);
  timings->set_total_ms(Milliseconds(Clock::now() - arrival_));
}

}  // namespace transept::server
