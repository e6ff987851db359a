// What this process may use of the machine: the smaller of what the machine has and what its
// control group (a container's limits) grants.
#pragma once

#include <cstdint>

namespace transept {

// Bytes that can be allocated without swapping or being killed for it, now. Unknown limits do not
// count.
uint64_t AvailableMemory();

// Processors, rounded up; at least 1.
int AvailableCpus();

}  // namespace transept
