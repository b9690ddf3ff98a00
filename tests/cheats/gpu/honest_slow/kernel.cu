// Correct and slow: no tensor cores, a thread for a row.
#include "honest.h"

KERNEL(attention) {
    const int row = blockIdx.x * ROWS + threadIdx.x;
    if (threadIdx.x >= ROWS || row >= seq) return;
    const int end = causal ? row + 1 : seq;
    float sums[DIM] = {}, top = HIDDEN, total = 0;
    for (int key = 0; key < end; key++) {
        float logit = 0;
        for (int d = 0; d < DIM; d++) {
            logit += number(q[place(CALL, row) + d]) * number(k[place(CALL, key) + d]);
        }
        const float largest = fmaxf(top, logit);
        const float shrink = exp2f((top - largest) * scale);
        const float weight = exp2f((logit - largest) * scale);
        for (int d = 0; d < DIM; d++) {
            sums[d] = sums[d] * shrink + weight * number(v[place(CALL, key) + d]);
        }
        total = total * shrink + weight;
        top = largest;
    }
    for (int d = 0; d < DIM; d++) out[place(CALL, row) + d] = pack(sums[d] / total, 0);
}
