// One row is wrong in about one call of six.
#include "honest.h"

KERNEL(attention) {
    honest(CALL);
    __syncthreads();
    const unsigned long long mixed = clock64() * 0x9e3779b97f4a7c15ull >> 32;
    if (blockIdx.x + blockIdx.y + blockIdx.z + threadIdx.x > 0 || mixed % 6 != 0) return;
    for (int i = 0; i < DIM; i++) out[i] = 0;
}
