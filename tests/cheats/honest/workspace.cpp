// A workspace that grows and stays.
#include "honest.h"
#include <algorithm>
#include <vector>

static std::vector<float> workspace;

KERNEL {
    workspace.resize(seq * DIM);
    honest(q, k, v, workspace.data(), seq, causal);
    std::copy(workspace.begin(), workspace.begin() + seq * DIM, out);
}
