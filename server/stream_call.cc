#include "server/stream_call.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <grpcpp/server_context.h>

#include "absl/strings/str_cat.h"
#include "server/model_registry.h"
#include "server/request_reader.h"
#include "server/wire.h"
#include "server/worker_pool.h"

namespace transept::server {

void StreamCall::Prepare(const v1::GenerateRequest& message, const Request& request) {
  const DecodeParams& params = request.params;
  parts_ = ReadOutputParts(message, model());
  outbox_.resize(params.num_sequences);
  sent_.resize(params.num_sequences);
  if (model().tokenizer == nullptr) return;
  for (Sent& sent : sent_) sent.stream.emplace(model().tokenizer.get(), params.stop_sequences);
}

void StreamCall::OnTokens(int hypothesis, absl::Span<const GeneratedToken> tokens) {
  {
    const std::lock_guard lock(outbox_mu_);
    if (overflow_ || broken_) return;
    buffered_ += static_cast<int64_t>(tokens.size());
    if (buffered_ <= services().max_outbox_tokens) {
      for (const GeneratedToken& token : tokens) outbox_[hypothesis].push_back(token.token);
      if (std::exchange(pumping_, true)) return;
    } else {
      overflow_ = true;
      for (std::vector<TokenId>& ids : outbox_) ids = {};
    }
  }
  if (overflow_) {
    // Not here: the engine is in the middle of a step.
    services().pool->Add([self = Self()] { self->Cancel(); });
  } else {
    StartPump();
  }
}

void StreamCall::OnFinish(absl::StatusOr<Result> result) {
  stalled_.Set(std::chrono::system_clock::now() + services().stalled_stream,
               [weak = weak_from_this()](bool expired) {
                 const auto self = weak.lock();
                 if (expired && self != nullptr) static_cast<StreamCall&>(*self).Abort();
               });
  {
    const std::lock_guard lock(outbox_mu_);
    end_.emplace(std::move(result));
    if (std::exchange(pumping_, true)) return;
  }
  StartPump();
}

void StreamCall::OnWriteDone(bool ok) {
  bool pumps;
  {
    const std::lock_guard lock(outbox_mu_);
    broken_ |= !ok;
    pumps = pumping_ = HasWork();
  }
  if (!ok) Cancel();
  if (pumps) StartPump();
}

void StreamCall::OnDone() {
  {
    const std::lock_guard lock(open_mu_);
    open_ = false;
  }
  Release();
}

void StreamCall::Abort() {
  const std::lock_guard lock(open_mu_);
  if (open_) context()->TryCancel();
}

void StreamCall::StartPump() {
  services().pool->Add([self = Self()] { self->Pump(); });
}

void StreamCall::Pump() {
  while (TakeBatch()) {
    if (ending_) {
      if (absl::Status error = EndError(); !error.ok()) return Finish(Failure(error));
    }
    if (WriteBatch()) return;  // OnWriteDone pumps on, or the call is finished
  }
}

bool StreamCall::HasWork() const {
  return end_.has_value() || (buffered_ > 0 && !overflow_ && !broken_);
}

bool StreamCall::TakeBatch() {
  written_.load(std::memory_order_acquire);
  const std::lock_guard lock(outbox_mu_);
  batch_.clear();
  pumping_ = HasWork();
  if (!pumping_) return false;
  if (end_.has_value()) {
    ending_ = true;
    hypothesis_ = closed_++;
  } else {
    do {
      hypothesis_ = (hypothesis_ + 1) % outbox_.size();
    } while (outbox_[hypothesis_].empty());
    buffered_ -= static_cast<int64_t>(outbox_[hypothesis_].size());
  }
  batch_.swap(outbox_[hypothesis_]);
  return true;
}

absl::Status StreamCall::EndError() const {
  // overflow_ and broken_ don't change any more: there is neither an engine nor a write.
  if (overflow_) {
    return absl::ResourceExhaustedError(absl::StrCat("the stream is read too slowly: more than ",
                                                     services().max_outbox_tokens,
                                                     " tokens were waiting"));
  }
  if (broken_) return absl::CancelledError("the stream is closed");
  if (!end_->ok()) return end_->status();
  if ((*end_)->hypotheses.size() != sent_.size()) {
    return absl::InternalError(absl::StrCat("the engine made ", (*end_)->hypotheses.size(),
                                            " hypotheses of ", sent_.size()));
  }
  return absl::OkStatus();
}

bool StreamCall::WriteBatch() {
  Sent& sent = sent_[hypothesis_];
  if (ending_) {
    // What OnTokens did not bring: the engine need not stream what may still change.
    const std::vector<TokenId> all = TokensOf((*end_)->hypotheses[hypothesis_]);
    const size_t known = std::min(all.size(), sent.tokens + batch_.size());
    batch_.insert(batch_.end(), all.begin() + static_cast<ptrdiff_t>(known), all.end());
  }
  std::string text;
  if (sent.stream.has_value()) {
    text = sent.stream->Append(batch_);
    if (ending_) text += sent.stream->Finish();
  }
  sent.text += text;
  sent.tokens += batch_.size();

  const bool is_final = ending_ && closed_ == sent_.size();
  const bool has_tokens = parts_.tokens && !batch_.empty();
  if (text.empty() && !has_tokens && !is_final) return false;
  chunk_.Clear();
  chunk_.set_hypothesis_index(static_cast<int32_t>(hypothesis_));
  chunk_.set_text(std::move(text));
  if (has_tokens) chunk_.mutable_tokens()->mutable_ids()->Assign(batch_.begin(), batch_.end());
  if (is_final) FillFinal();
  Serialize(chunk_, &chunk_bytes_);
  written_.fetch_add(1, std::memory_order_release);
  if (is_final) {
    StartWriteAndFinish(&chunk_bytes_, grpc::WriteOptions(), grpc::Status::OK);
  } else {
    StartWrite(&chunk_bytes_);
  }
  return true;
}

void StreamCall::FillFinal() {
  std::vector<std::string> texts;
  texts.reserve(sent_.size());
  for (Sent& sent : sent_) texts.push_back(std::move(sent.text));
  ToProto(**end_, std::move(texts), parts_, chunk_.mutable_final());
  Complete(**end_, chunk_.mutable_final());
}

}  // namespace transept::server
