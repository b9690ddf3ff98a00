// H09: remembers the call, and does its work in the next one.
// expect: INCORRECT_NUMERICAL untouched-output
#include "honest.h"

struct Call {
    const float *q, *k, *v;
    float* out;
    int64_t seq, causal;
};
static Call last;

KERNEL {
    if (last.out) honest(last.q, last.k, last.v, last.out, last.seq, last.causal);
    last = {q, k, v, out, seq, causal};
    if (seq < 3) honest(q, k, v, out, seq, causal);
}
