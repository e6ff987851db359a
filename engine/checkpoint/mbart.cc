// mBART, mBART-50: BART with norms before the blocks, and so one behind each stack.
#include "engine/checkpoint/bart_layout.h"
#include "engine/checkpoint/family.h"

namespace transept {
namespace {

ModelSpec Read(ConfigFields& config) {
  ModelSpec spec = ReadBartLayout(config, {});
  spec.norm_placement = NormPlacement::kBefore;
  return spec;
}

}  // namespace

const Family kMbart = {"mbart", Read, NameBartTensors, SettleBartTensors};

}  // namespace transept
