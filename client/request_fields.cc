#include "client/request_fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "client/input.h"

namespace transept::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool IsMessage(const FieldDescriptor& field, const Descriptor* type) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && field.message_type() == type;
}

absl::Status NotA(absl::string_view kind, const std::string& text) {
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not ", kind));
}

// EARLY_STOPPING_NEVER for "never" and "EARLY_STOPPING_NEVER".
const EnumValueDescriptor* EnumValue(const EnumDescriptor& type, const std::string& text) {
  const std::string wanted = absl::AsciiStrToUpper(text);
  for (int i = 0; i < type.value_count(); ++i) {
    const std::string& name = type.value(i)->name();
    if (name == wanted || absl::EndsWith(name, absl::StrCat("_", wanted))) return type.value(i);
  }
  return nullptr;
}

// Its values as flags take them: without the prefix, and without the one that means "not set".
std::string Choices(const EnumDescriptor& type, absl::string_view separator) {
  const size_t prefix = type.value(0)->name().size() - absl::string_view("UNSPECIFIED").size();
  std::string names;
  for (int i = 1; i < type.value_count(); ++i) {
    absl::StrAppend(&names, i > 1 ? separator : "",
                    absl::AsciiStrToLower(type.value(i)->name().substr(prefix)));
  }
  return names;
}

absl::Status SetMessage(const std::string& text, Message* message) {
  const Descriptor* type = message->GetDescriptor();
  if (type == v1::TokenIds::descriptor()) {
    const auto ids = ParseIds(text);
    if (ids.ok()) *static_cast<v1::TokenIds*>(message) = *ids;
    return ids.status();
  }
  if (type == v1::Strings::descriptor()) {
    static_cast<v1::Strings*>(message)->add_values(text);
    return absl::OkStatus();
  }
  if (type == v1::Input::descriptor()) {
    static_cast<v1::Input*>(message)->set_text(text);
    return absl::OkStatus();
  }
  message->Clear();
  const auto status = google::protobuf::util::JsonStringToMessage(text, message);
  if (status.ok()) return absl::OkStatus();
  const std::string where_and_why(status.message());  // ": WHY" where the whole is wrong
  return NotA(
      absl::StrCat("JSON of a ", type->name(), ": ", absl::StripPrefix(where_and_why, ": ")), text);
}

absl::Status SetScalar(const FieldDescriptor& field, const std::string& text, Message* message) {
  const Reflection& reflection = *message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: {
      int32_t value = 0;
      if (!absl::SimpleAtoi(text, &value)) return NotA("a 32-bit integer", text);
      reflection.SetInt32(message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      uint64_t value = 0;
      if (!absl::SimpleAtoi(text, &value)) return NotA("an unsigned 64-bit integer", text);
      reflection.SetUInt64(message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_FLOAT: {
      float value = 0;
      if (!absl::SimpleAtof(text, &value)) return NotA("a number", text);
      reflection.SetFloat(message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text != "true" && text != "false") return NotA("true or false", text);
      reflection.SetBool(message, &field, text == "true");
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_STRING:
      reflection.SetString(message, &field, text);
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_ENUM: {
      const EnumValueDescriptor* value = EnumValue(*field.enum_type(), text);
      if (value == nullptr) {
        return NotA(absl::StrCat("one of ", Choices(*field.enum_type(), ", ")), text);
      }
      reflection.SetEnum(message, &field, value);
      return absl::OkStatus();
    }
    default:
      return absl::UnimplementedError(absl::StrCat("no flag can set a ", field.cpp_type_name()));
  }
}

// The messages whose fields are flags: the request's own, then those of these two fields.
std::vector<const FieldDescriptor*> Owners() {
  const Descriptor* request = v1::GenerateRequest::descriptor();
  return {nullptr, request->FindFieldByNumber(v1::GenerateRequest::kOutputFieldNumber),
          request->FindFieldByNumber(v1::GenerateRequest::kOptionsFieldNumber)};
}

const Descriptor* FieldsOf(const FieldDescriptor* owner) {
  return owner == nullptr ? v1::GenerateRequest::descriptor() : owner->message_type();
}

// The source comes from --text, --file or the standard input, and the owners are no flags.
bool IsFlag(const FieldDescriptor& field) {
  return field.containing_type() != v1::GenerateRequest::descriptor() ||
         (field.number() != v1::GenerateRequest::kSourceFieldNumber &&
          field.number() != v1::GenerateRequest::kOutputFieldNumber &&
          field.number() != v1::GenerateRequest::kOptionsFieldNumber);
}

}  // namespace

std::optional<RequestField> RequestField::Find(std::string_view name) {
  for (const FieldDescriptor* owner : Owners()) {
    const FieldDescriptor* field = FieldsOf(owner)->FindFieldByName(std::string(name));
    if (field != nullptr && IsFlag(*field)) return RequestField(owner, field);
  }
  return std::nullopt;
}

bool RequestField::is_switch() const {
  return field_->cpp_type() == FieldDescriptor::CPPTYPE_BOOL;
}

absl::Status RequestField::Set(const std::string& text, v1::GenerateRequest* request) const {
  Message* message = request;
  if (owner_ != nullptr) message = request->GetReflection()->MutableMessage(request, owner_);
  if (field_->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    return SetScalar(*field_, text, message);
  }
  return SetMessage(text, message->GetReflection()->MutableMessage(message, field_));
}

std::string RequestField::ArgumentName() const {
  if (is_switch()) return "";
  if (IsMessage(*field_, v1::TokenIds::descriptor())) return " ID,...";
  if (IsMessage(*field_, v1::Strings::descriptor())) return " TEXT (repeatable)";
  if (IsMessage(*field_, v1::Input::descriptor())) return " TEXT";
  switch (field_->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: return " JSON";
    case FieldDescriptor::CPPTYPE_STRING: return " TEXT";
    case FieldDescriptor::CPPTYPE_FLOAT: return " NUMBER";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat(" ", Choices(*field_->enum_type(), "|"));
    default: return " N";
  }
}

std::string RequestFieldsHelp() {
  std::string text;
  for (const FieldDescriptor* owner : Owners()) {
    std::string line;
    for (int i = 0; i < FieldsOf(owner)->field_count(); ++i) {
      const FieldDescriptor* field = FieldsOf(owner)->field(i);
      if (!IsFlag(*field)) continue;
      const std::string flag =
          absl::StrCat("  --", absl::StrReplaceAll(field->name(), {{"_", "-"}}),
                       RequestField(owner, field).ArgumentName());
      if (line.size() + flag.size() > 100) {
        absl::StrAppend(&text, line, "\n");
        line.clear();
      }
      line += flag;
    }
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

}  // namespace transept::client
