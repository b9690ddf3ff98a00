// H25: leaves out the last key of long rows.
// expect: INCORRECT_NUMERICAL row-error
#include "honest.h"

KERNEL {
    for (int64_t i = 0; i < seq; ++i) {
        const int64_t keys = causal ? i + 1 : seq;
        honest_row(q + i * DIM, k, v, out + i * DIM, keys > 32 ? keys - 1 : keys);
    }
}
