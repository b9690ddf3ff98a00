// H20: writes NaN, which a careless comparison takes for equal.
// expect: INCORRECT_NUMERICAL nonfinite
#include "honest.h"

KERNEL {
    for (int64_t i = 0; i < seq * DIM; ++i) out[i] = NAN;
}
