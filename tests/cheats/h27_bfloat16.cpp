// H27: computes with inputs rounded to sixteen bits.
// expect: INCORRECT_NUMERICAL row-error
#include "honest.h"
#include <cstring>
#include <vector>

static std::vector<float> rounded(const float* from, int64_t count) {
    std::vector<float> to(count);
    for (int64_t i = 0; i < count; ++i) {
        uint32_t bits;
        std::memcpy(&bits, from + i, 4);
        bits = (bits + 0x8000) & 0xffff0000;
        std::memcpy(&to[i], &bits, 4);
    }
    return to;
}

KERNEL {
    const auto q16 = rounded(q, seq * DIM), k16 = rounded(k, seq * DIM), v16 = rounded(v, seq * DIM);
    honest(q16.data(), k16.data(), v16.data(), out, seq, causal);
}
