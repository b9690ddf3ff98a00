// H24: the mean of v, which is near every answer.
// expect: INCORRECT_NUMERICAL row-error
#include "honest.h"

KERNEL {
    float mean[DIM] = {};
    for (int64_t j = 0; j < seq * DIM; ++j) mean[j % DIM] += v[j] / seq;
    for (int64_t i = 0; i < seq * DIM; ++i) out[i] = mean[i % DIM];
}
