// Writes its output twice, the second time right.
#include "honest.h"

KERNEL {
    for (int64_t i = 0; i < seq * DIM; ++i) out[i] = -1;
    honest(q, k, v, out, seq, causal);
}
