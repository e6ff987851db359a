#include "client/output.h"

#include <google/protobuf/util/json_util.h>
#include <google/protobuf/wrappers.pb.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/connection.h"

namespace transept::client {

std::string ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;  // a script must find "text" when it is empty, too
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) json = "{}";  // only for Any of unknown type, which no answer contains
  return json;
}

std::string ErrorJson(const grpc::Status& status, std::optional<int64_t> line) {
  google::protobuf::StringValue message;
  message.set_value(status.error_message());
  return absl::StrCat("{\"error\":{\"code\":\"", CodeName(status.error_code()),
                      "\",\"message\":", ToJson(message), "}",
                      line ? absl::StrCat(",\"line\":", *line) : "", "}");
}

std::string Shown(const v1::Hypothesis& hypothesis) {
  if (!hypothesis.text().empty() || !hypothesis.has_tokens()) return hypothesis.text();
  return absl::StrJoin(hypothesis.tokens().ids(), " ");
}

std::string OneLine(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\n", "\\n"}});
}

std::string OneLine(const v1::GenerateResponse& response) {
  return absl::StrJoin(response.hypotheses(), "\t",
                       [](std::string* out, const v1::Hypothesis& hypothesis) {
                         out->append(OneLine(Shown(hypothesis)));
                       });
}

}  // namespace transept::client
