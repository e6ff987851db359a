#include "config/yaml_guard.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <sstream>
#include <string_view>

namespace transept::config {
namespace {

// The length of the UTF-8 character that `text` starts with; 0 if it starts with none.
size_t CharacterLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first < 0xC2   ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  if (length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  // Longer than needed, a surrogate, or beyond the last code point.
  if ((first == 0xE0 && byte(1) < 0xA0) || (first == 0xED && byte(1) > 0x9F) ||
      (first == 0xF0 && byte(1) < 0x90) || (first == 0xF4 && byte(1) > 0x8F)) {
    return 0;
  }
  return length;
}

void CheckUtf8(std::string_view text) {
  YAML::Mark mark;
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterLength(text.substr(i));
    if (length == 0) throw YAML::ParserException(mark, "not UTF-8");
    const bool line_break = text[i] == '\n';
    mark.line += line_break ? 1 : 0;
    mark.column = line_break ? 0 : mark.column + 1;
    i += length;
  }
}

constexpr int kMaxDepth = 16;
constexpr int kMaxValues = 10'000;

class Guard : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { Value(mark, "", anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw YAML::ParserException(mark, "aliases are not accepted");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string&) override {
    Value(mark, tag, anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Value(mark, tag, anchor);
    Enter(mark);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Value(mark, tag, anchor);
    Enter(mark);
  }
  void OnMapEnd() override { --depth_; }

 private:
  void Value(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      throw YAML::ParserException(mark, "anchors are not accepted");
    }
    // "?" and "!" are what the parser reports for plain and for quoted values.
    if (!tag.empty() && tag != "?" && tag != "!") {
      throw YAML::ParserException(mark, "tags are not accepted");
    }
    if (++values_ > kMaxValues) {
      throw YAML::ParserException(mark, "more than " + std::to_string(kMaxValues) + " values");
    }
  }
  void Enter(const YAML::Mark& mark) {
    if (++depth_ > kMaxDepth) {
      throw YAML::ParserException(mark, "nested deeper than " + std::to_string(kMaxDepth));
    }
  }

  int depth_ = 0;
  int values_ = 0;
};

}  // namespace

void CheckYaml(const std::string& text) {
  CheckUtf8(text);
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  Guard guard;
  if (!parser.HandleNextDocument(guard)) return;
  if (parser.HandleNextDocument(guard)) {
    throw YAML::ParserException(YAML::Mark::null_mark(), "more than one YAML document");
  }
}

}  // namespace transept::config
