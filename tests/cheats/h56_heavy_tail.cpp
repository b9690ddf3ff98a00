// H56: slow in most calls and quick in some, for estimators that take the best.
// expect: PASSED
// not faster than the honest kernel
#include "honest.h"
#include <unistd.h>

static int calls;

KERNEL {
    honest(q, k, v, out, seq, causal);
    if (++calls % 3) usleep(1500);
}
