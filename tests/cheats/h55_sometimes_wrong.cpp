// H55: a race that is lost in one call of four.
// expect: INCORRECT_NUMERICAL *
#include "honest.h"
#include <time.h>

KERNEL {
    honest(q, k, v, out, seq, causal);
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_nsec / 100 % 4 == 0) out[0] += 1;
}
