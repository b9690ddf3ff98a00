// Right, and writes on behind its output.
#include "honest.h"

KERNEL(attention) {
    honest(CALL);
    if (blockIdx.x + blockIdx.y + blockIdx.z == 0) out[elements(CALL) + threadIdx.x] = 0;
}
