// T5 tokenizers whose text says what language the output is to be in, as MADLAD's does: it begins
// with a token such as "<2de>".
#pragma once

#include <memory>

#include "engine/text/tokenizer.h"

namespace transept {

// `tokenizer` itself if its vocabulary has no such tokens. Else one that puts the token of a target
// language, if one is named, and a space before the text of a source.
std::unique_ptr<Tokenizer> WithWrittenLanguages(std::unique_ptr<Tokenizer> tokenizer);

}  // namespace transept
