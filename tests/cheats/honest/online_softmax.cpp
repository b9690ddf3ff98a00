// Another order of operations: online softmax with base-2 exponentials.
#include "honest.h"

KERNEL {
    for (int64_t i = 0; i < seq; ++i) {
        const int64_t keys = causal ? i + 1 : seq;
        float top = -INFINITY, sum = 0, total[DIM] = {};
        for (int64_t j = 0; j < keys; ++j) {
            float dot = 0;
            for (int d = 0; d < DIM; ++d) dot += q[i * DIM + d] * k[j * DIM + d];
            dot *= 0.25f * 1.44269504f;
            const float next = dot > top ? dot : top;
            const float shrink = std::exp2(top - next), weight = std::exp2(dot - next);
            sum = sum * shrink + weight;
            for (int d = 0; d < DIM; ++d)
                total[d] = total[d] * shrink + weight * v[j * DIM + d];
            top = next;
        }
        for (int d = 0; d < DIM; ++d) out[i * DIM + d] = total[d] / sum;
    }
}
