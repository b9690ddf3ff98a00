// Right, and writes before its output.
#include "honest.h"

KERNEL(attention) {
    honest(CALL);
    if (blockIdx.x + blockIdx.y + blockIdx.z == 0) (out - THREADS)[threadIdx.x] = 0;
}
