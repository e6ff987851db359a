#include "server/generate_call.h"

#include <memory>
#include <utility>

#include "engine/text/text_stream.h"
#include "server/model_registry.h"
#include "server/wire.h"
#include "server/worker_pool.h"

namespace transept::server {

void GenerateCall::OnFinish(absl::StatusOr<Result> result) {
  services().pool->Add([self = std::static_pointer_cast<GenerateCall>(shared_from_this()),
                        result = std::move(result)] { self->Complete(result); });
}

void GenerateCall::Complete(const absl::StatusOr<Result>& result) {
  if (!result.ok()) return Finish(ToStatus(result.status()));
  std::vector<std::string> texts(result->hypotheses.size());
  if (model().tokenizer != nullptr) {
    for (size_t i = 0; i < texts.size(); ++i) {
      TextStream text(model().tokenizer.get(), stop_sequences_);
      texts[i] = text.Append(TokensOf(result->hypotheses[i]));
      texts[i] += text.Finish();
    }
  }
  v1::GenerateResponse response;
  FillResponse(*result, std::move(texts), &response);
  Serialize(response, response_);
  Finish(grpc::Status::OK);
}

}  // namespace transept::server
