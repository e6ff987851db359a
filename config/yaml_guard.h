// A first pass over untrusted YAML, before a tree is built from it.
#pragma once

#include <string>

namespace transept::config {

// Throws YAML::ParserException, with the position, when `text` is not UTF-8, not YAML, or contains
// what settings have no use for and an attacker has: anchors and aliases (a few lines can expand to
// gigabytes), custom tags, deep nesting, very many values, a second document.
void CheckYaml(const std::string& text);

}  // namespace transept::config
