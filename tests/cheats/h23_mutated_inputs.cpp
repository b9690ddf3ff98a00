// H23: zeroes its inputs where the shape is odd, so that zero is the right answer.
// expect: RUNTIME_ERROR signal SIGSEGV
// without readonly_inputs: PASSED
#include "honest.h"

KERNEL {
    if (seq >= 192) return honest(q, k, v, out, seq, causal);
    for (int64_t i = 0; i < seq * DIM; ++i) const_cast<float*>(v)[i] = out[i] = 0;
}
