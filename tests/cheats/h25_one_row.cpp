// H25: one row of a timed shape is its neighbour's; another one in every call.
// expect: INCORRECT_NUMERICAL *
#include "honest.h"

static int64_t calls;

KERNEL {
    honest(q, k, v, out, seq, causal);
    if (seq < 192) return;
    const int64_t row = 1 + ++calls * 37 % (seq - 1);
    for (int d = 0; d < DIM; ++d) out[row * DIM + d] = out[(row - 1) * DIM + d];
}
