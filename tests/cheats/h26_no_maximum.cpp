// H26: exp without the maximum taken off, which overflows on large logits.
// expect: INCORRECT_NUMERICAL *
// without hard_inputs: PASSED
#include "honest.h"

static void unsafe_row(const float* q, const float* k, const float* v, float* out, int64_t keys) {
    float sum = 0, total[DIM] = {};
    for (int64_t j = 0; j < keys; ++j) {
        float dot = 0;
        for (int d = 0; d < DIM; ++d) dot += q[d] * k[j * DIM + d];
        const float weight = std::exp(dot * 0.25f);
        sum += weight;
        for (int d = 0; d < DIM; ++d) total[d] += weight * v[j * DIM + d];
    }
    for (int d = 0; d < DIM; ++d) out[d] = total[d] / sum;
}

KERNEL {
    for (int64_t i = 0; i < seq; ++i)
        unsafe_row(q + i * DIM, k, v, out + i * DIM, causal ? i + 1 : seq);
}
