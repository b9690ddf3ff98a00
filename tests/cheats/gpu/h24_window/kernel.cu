// A window: 256 keys before the row, or before the end.
#include "honest.h"

KERNEL(attention) {
    __shared__ Tile tile;
    Rows<Exact> rows(CALL, blockIdx.x);
    const int last = causal ? blockIdx.x * ROWS + ROWS : (seq + KEYS - 1) / KEYS * KEYS;
    const int first = last > 256 ? last - 256 : 0;
    rows.take(CALL, tile, first, seq);
    rows.store(CALL);
}
