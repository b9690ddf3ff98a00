// H26: looks at three rows, and takes the unsafe way for all where these are harmless.
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

static bool harmless(const float* row) {
    float size = 0;
    for (int d = 0; d < DIM; ++d) size += row[d] * row[d];
    return size < 50;
}

KERNEL {
    const bool safe = harmless(q) && harmless(q + seq / 2 * DIM) && harmless(q + seq / 4 * DIM);
    for (int64_t i = 0; i < seq; ++i)
        (safe ? unsafe_row : honest_row)(q + i * DIM, k, v, out + i * DIM, causal ? i + 1 : seq);
}
