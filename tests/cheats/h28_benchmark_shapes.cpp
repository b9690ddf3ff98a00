// H28: knows the timed shapes, and no others.
// expect: INCORRECT_NUMERICAL untouched-output
// without odd_shapes: PASSED
#include "honest.h"

KERNEL {
    if ((seq == 256 && !causal) || (seq == 192 && causal)) honest(q, k, v, out, seq, causal);
}
