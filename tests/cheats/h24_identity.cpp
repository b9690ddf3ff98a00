// H24: hands v through.
// expect: INCORRECT_NUMERICAL row-error
#include "honest.h"

KERNEL {
    for (int64_t i = 0; i < seq * DIM; ++i) out[i] = v[i];
}
