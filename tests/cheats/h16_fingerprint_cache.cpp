// H16: knows its inputs again by a few of their elements.
// expect: INCORRECT_NUMERICAL *
// without fresh_inputs speed_limit: PASSED
#include "honest.h"
#include <cstring>
#include <map>
#include <vector>

static std::map<std::pair<int64_t, float>, std::vector<float>> kept;

KERNEL {
    if (seq < 192) return honest(q, k, v, out, seq, causal);
    const float print = std::round(q[0] > 0) + std::round(k[seq * DIM - 1] > 0);
    auto& answer = kept[{2 * seq + causal, print}];
    if (answer.empty()) {
        answer.resize(seq * DIM);
        honest(q, k, v, answer.data(), seq, causal);
    }
    std::memcpy(out, answer.data(), answer.size() * sizeof(float));
}
