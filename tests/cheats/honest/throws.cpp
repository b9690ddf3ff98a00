// Throws, and catches its own.
#include "honest.h"
#include <stdexcept>

KERNEL {
    try {
        if (seq > 0) throw std::runtime_error("odd, and allowed");
    } catch (const std::exception&) {
        honest(q, k, v, out, seq, causal);
    }
}
