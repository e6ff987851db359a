// transformers' clean_up_tokenization: spaces before punctuation and English contractions taken
// out.
#pragma once

#include <memory>

#include "engine/text/tokenizer.h"

namespace transept {

// `source` with its text cleaned. Holds back only what a rule may still change.
std::unique_ptr<IncrementalDetokenizer> WithSpaceCleanup(
    std::unique_ptr<IncrementalDetokenizer> source);

}  // namespace transept
