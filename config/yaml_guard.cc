#include "config/yaml_guard.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <sstream>

namespace transept::config {
namespace {

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
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  Guard guard;
  if (!parser.HandleNextDocument(guard)) return;
  if (parser.HandleNextDocument(guard)) {
    throw YAML::ParserException(YAML::Mark::null_mark(), "more than one YAML document");
  }
}

}  // namespace transept::config
