// Counts on shared memory that is zero at the start.
#include "honest.h"

KERNEL(attention) {
    __shared__ Tile tile;
    __shared__ volatile float totals[ROWS];
    Rows<Exact> rows(CALL, blockIdx.x);
    rows.take(CALL, tile, 0, seq);
    for (int half = 0; half < 2; half++) {
        const float weight = rows.weight(half);
        const int mine = rows.row % ROWS + half * 8;
        if (rows.pair == 0) totals[mine] = totals[mine] + weight;
        __syncthreads();
        rows.total[half] = totals[mine] / 4;
    }
    rows.store(CALL);
}
