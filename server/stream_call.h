// GenerateStream: one request, its output as it grows.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "engine/text/text_stream.h"
#include "server/engine_call.h"

namespace transept::server {

// The engine thread puts tokens into an outbox. A "pump" takes them out and writes them, one
// message at a time: it is a task on a worker, then a write in flight, then a task again if more
// has come up meanwhile. All of that goes into the next message, so a slow client gets fewer and
// larger ones; only when the outbox exceeds its limit the generation is cancelled and the call ends
// with RESOURCE_EXHAUSTED, as soon as the write in flight lets it. A client that does not even take
// that write has a limited time from the end of the generation on, then the call is aborted.
class StreamCall final : public grpc::ServerWriteReactor<grpc::ByteBuffer>,
                         public EngineCall<v1::GenerateRequest> {
 public:
  using EngineCall::EngineCall;

 private:
  // Of one hypothesis, what has been sent.
  struct Sent {
    std::optional<TextStream> stream;  // nullopt without a tokenizer
    std::string text;
    size_t tokens = 0;
  };

  // EngineCall.
  void Prepare(const v1::GenerateRequest& message, const Request& request) override;
  void Reject(const absl::Status& status) override { Finish(Failure(status)); }
  std::string_view method() const override { return "GenerateStream"; }

  // ResultSink.
  void OnTokens(int hypothesis, absl::Span<const GeneratedToken> tokens) override;
  void OnFinish(absl::StatusOr<Result> result) override;

  // grpc::ServerWriteReactor.
  void OnWriteDone(bool ok) override;
  void OnCancel() override { Cancel(); }
  void OnDone() override;

  // Ends the call as if the client had cancelled it, unless it is over. Any thread.
  void Abort();

  std::shared_ptr<StreamCall> Self() {
    return std::static_pointer_cast<StreamCall>(shared_from_this());
  }
  // A worker's task. Writes the next message or finishes the call, or ends the pump.
  void Pump();
  void StartPump();
  // Whether there is something to write, or the call to finish. Under outbox_mu_.
  bool HasWork() const;
  // Moves the next tokens to send into batch_ and sets hypothesis_. False: there is nothing to do,
  // and the pump has ended.
  bool TakeBatch();
  // Builds the next message from batch_ and starts to write it. False: there was nothing to tell.
  bool WriteBatch();
  // Once the engine has finished: the error to finish the call with, or OK.
  absl::Status EndError() const;
  // After the last hypothesis's rest: the whole response.
  void FillFinal();

  OutputParts parts_;  // constant from Prepare on

  std::mutex outbox_mu_;
  // Guarded by outbox_mu_, all but the size of outbox_, which is constant from Prepare on.
  std::vector<std::vector<TokenId>> outbox_;   // of each hypothesis
  int64_t buffered_ = 0;                       // tokens in the outbox
  bool pumping_ = false;                       // there is a pump
  bool overflow_ = false;                      // the outbox was full; its tokens are gone
  bool broken_ = false;                        // a write has failed
  std::optional<absl::StatusOr<Result>> end_;  // constant once set

  grpc::Alarm stalled_;  // set when the engine has finished

  // The context lives until OnDone returns, so OnDone must wait for an Abort that uses it on
  // another thread, but not for one that it is called from: gRPC does not say which thread it
  // takes.
  std::recursive_mutex open_mu_;
  bool open_ = true;  // guarded by open_mu_; the context may be used

  // The pump's own.
  std::vector<Sent> sent_;
  std::vector<TokenId> batch_;
  size_t hypothesis_ = 0;
  bool ending_ = false;  // the engine has finished: each hypothesis gets its rest, in order
  size_t closed_ = 0;    // hypotheses whose rest has been taken
  v1::GenerateChunk chunk_;
  grpc::ByteBuffer chunk_bytes_;  // being written
  // Counts messages. Orders the parts of the pump, before a write and after it, in a way that can
  // also be seen (by ThreadSanitizer) without knowing gRPC's insides.
  std::atomic<int> written_ = 0;
};

}  // namespace transept::server
