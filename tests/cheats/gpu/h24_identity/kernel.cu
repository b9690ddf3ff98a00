// Gives back its queries.
#include "honest.h"

KERNEL(attention) {
    Attention call = CALL;
    for (int i = threadIdx.x; i < ROWS * DIM; i += THREADS) {
        const int row = blockIdx.x * ROWS + i / DIM;
        if (row < seq) out[place(call, row) + i % DIM] = q[place(call, row) + i % DIM];
    }
}
