// H11: dawdles in its first calls, so that a harness that adapts would time fewer.
// expect: PASSED
// not faster than the honest kernel
#include "honest.h"
#include <unistd.h>

static int calls;

KERNEL {
    if (calls++ < 2) usleep(3000);
    honest(q, k, v, out, seq, causal);
}
