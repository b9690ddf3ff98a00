// The mean of the values: all keys weigh the same.
#include "honest.h"

KERNEL(attention) {
    __shared__ Tile tile;
    Rows<Exact> rows(CALL, blockIdx.x);
    for (int i = 0; i < 16; i++) rows.q[i / 4][i % 4] = 0;
    rows.take(CALL, tile, 0, seq);
    rows.store(CALL);
}
