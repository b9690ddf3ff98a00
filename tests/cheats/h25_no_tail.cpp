// H25, H28: whole tiles of 64 rows, and nothing beyond.
// expect: INCORRECT_NUMERICAL untouched-output
// without odd_shapes: PASSED
#include "honest.h"

KERNEL {
    for (int64_t i = 0; i < seq / 64 * 64; ++i)
        honest_row(q + i * DIM, k, v, out + i * DIM, causal ? i + 1 : seq);
}
