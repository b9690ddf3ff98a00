// Leaves out the last key.
#include "honest.h"

KERNEL(attention) {
    __shared__ Tile tile;
    Rows<Exact> rows(CALL, blockIdx.x);
    rows.take(CALL, tile, 0, seq > 1 ? seq - 1 : seq);
    rows.store(CALL);
}
