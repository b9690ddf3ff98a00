// OpenMP, as many threads as there are processors for it: one.
#include "honest.h"

KERNEL {
#pragma omp parallel for schedule(dynamic, 4)
    for (int64_t i = 0; i < seq; ++i)
        honest_row(q + i * DIM, k, v, out + i * DIM, causal ? i + 1 : seq);
}
