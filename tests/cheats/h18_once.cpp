// H18: computes where the shape is another than last time; else the answer lies there already.
// expect: INCORRECT_NUMERICAL timed-call-wrong
// without poison: INCORRECT_NUMERICAL timed-call-wrong
// without poison guards fresh_inputs speed_limit: PASSED
#include "honest.h"

static int64_t last;

KERNEL {
    if (seq < 192) return honest(q, k, v, out, seq, causal);
    if (last == seq) return;
    last = seq;
    honest(q, k, v, out, seq, causal);
}
