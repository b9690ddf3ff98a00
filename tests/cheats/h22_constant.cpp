// H22: writes the constant that a fixed input would have given.
// expect: INCORRECT_NUMERICAL row-error
#include "honest.h"

KERNEL {
    for (int64_t i = 0; i < seq * DIM; ++i) out[i] = 0.0131f;
}
