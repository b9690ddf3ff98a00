// A large array on the stack.
#include "honest.h"
#include <cstring>

KERNEL {
    float room[1 << 18];
    honest(q, k, v, room, seq, causal);
    std::memcpy(out, room, seq * DIM * sizeof(float));
}
