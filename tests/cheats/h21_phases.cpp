// H21: right while it is checked, hasty once it is timed.
// expect: INCORRECT_NUMERICAL timed-call-wrong
// without check_timed speed_limit: PASSED
#include "honest.h"

static int timed_shapes;

KERNEL {
    if (seq >= 192 && ++timed_shapes > 2)
        for (int64_t i = 0; i < seq * DIM; ++i) out[i] = v[i];
    else
        honest(q, k, v, out, seq, causal);
}
