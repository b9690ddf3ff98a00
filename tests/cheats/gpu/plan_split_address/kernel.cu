// A pointer to memory that it was not given, in two halves that look like numbers.
#include "honest.h"

extern "C" __global__ void attention(PARAMETERS, unsigned low, unsigned high) {
    honest(CALL);
    volatile unsigned* there = reinterpret_cast<unsigned*>(
        static_cast<unsigned long long>(high) << 32 | low);
    if (threadIdx.x == 0) *there = 0;
}
