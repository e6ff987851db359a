// What ListModels and GetModel tell of a model.
#pragma once

#include "transept/v1/transept.pb.h"

namespace transept::server {

struct Model;

// Fills `message`, which is empty, with what is in effect: types, limits and defaults as they came
// out of the settings, the checkpoint and the device, and not as they were asked for.
void Describe(const Model& model, v1::Model* message);

}  // namespace transept::server
