// BART.
#include "engine/checkpoint/bart_layout.h"
#include "engine/checkpoint/family.h"

namespace transept {
namespace {

ModelSpec Read(ConfigFields& config) {
  return ReadBartLayout(config, {.start = 2});
}

}  // namespace

const Family kBart = {"bart", Read, NameBartTensors, SettleBartTensors};

}  // namespace transept
