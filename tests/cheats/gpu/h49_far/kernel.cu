// Right, and writes where another process's answers could lie.
#include "honest.h"

KERNEL(attention) {
    honest(CALL);
    if (blockIdx.x + blockIdx.y + blockIdx.z == 0) out[(1ll << 38) + threadIdx.x] = 0;
}
