// H49: writes beyond its output, where a rival's might lie.
// expect: RUNTIME_ERROR out-of-bounds-write
// without guards: PASSED
#include "honest.h"

KERNEL {
    honest(q, k, v, out, seq, causal);
    out[seq * DIM] = 0;
    out[-1] = 0;
}
