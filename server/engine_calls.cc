#include "server/engine_calls.h"

#include <utility>

#include "engine/text/text_stream.h"
#include "server/request_reader.h"

namespace transept::server {

void GenerateCall::Prepare(const v1::GenerateRequest& message, const Request& request) {
  parts_ = ReadOutputParts(message, model());
  stop_sequences_ = request.params.stop_sequences;
}

void GenerateCall::Answer(const Result& result, v1::GenerateResponse* response) {
  std::vector<std::string> texts(result.hypotheses.size());
  if (model().tokenizer != nullptr) {
    for (size_t i = 0; i < texts.size(); ++i) {
      TextStream text(model().tokenizer.get(), stop_sequences_);
      texts[i] = text.Append(TokensOf(result.hypotheses[i]));
      texts[i] += text.Finish();
    }
  }
  ToProto(result, std::move(texts), parts_, response);
}

}  // namespace transept::server
