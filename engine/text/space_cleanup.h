// What transformers does to the white space of decoded text.
#pragma once

#include <memory>

#include "engine/text/tokenizer.h"

namespace transept {

// clean_up_tokenization: spaces before punctuation and English contractions are taken out. Holds
// back only what a rule may still change.
std::unique_ptr<IncrementalDetokenizer> WithSpaceCleanup(
    std::unique_ptr<IncrementalDetokenizer> source);

// Python's strip(): no white space at the text's ends. Holds back white space until more follows.
std::unique_ptr<IncrementalDetokenizer> WithStrippedEnds(
    std::unique_ptr<IncrementalDetokenizer> source);

}  // namespace transept
