// Attention as anyone would write it. Trusted: the cheats stand on it where they are honest.
#pragma once
#include <cmath>
#include <cstdint>

constexpr int DIM = 16;

static inline void honest_row(const float* q, const float* k, const float* v, float* out,
                              int64_t keys) {
    float scores[2048], top = -INFINITY, sum = 0, total[DIM] = {};
    for (int64_t j = 0; j < keys; ++j) {
        float dot = 0;
        for (int d = 0; d < DIM; ++d) dot += q[d] * k[j * DIM + d];
        scores[j] = dot * 0.25f;
        top = scores[j] > top ? scores[j] : top;
    }
    for (int64_t j = 0; j < keys; ++j) {
        const float weight = std::exp(scores[j] - top);
        sum += weight;
        for (int d = 0; d < DIM; ++d) total[d] += weight * v[j * DIM + d];
    }
    for (int d = 0; d < DIM; ++d) out[d] = total[d] / sum;
}

static inline void honest(const float* q, const float* k, const float* v, float* out, int64_t seq,
                          int64_t causal) {
    for (int64_t i = 0; i < seq; ++i)
        honest_row(q + i * DIM, k, v, out + i * DIM, causal ? i + 1 : seq);
}

#define KERNEL                                                                                 \
    extern "C" void attention(const float* q, const float* k, const float* v, float* out,       \
                              int64_t seq, int64_t causal)
