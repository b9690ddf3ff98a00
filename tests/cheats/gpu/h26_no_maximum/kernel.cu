// Does not subtract the largest logit: right as long as none is large.
#include "honest.h"

struct Plain : Exact {
    __device__ static float subtracted(float) { return 0; }
};

KERNEL(attention) { honest<Plain>(CALL); }
