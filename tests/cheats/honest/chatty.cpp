// Prints to both streams.
#include "honest.h"
#include <cstdio>
#include <iostream>

KERNEL {
    std::printf("seq %ld\n", long(seq));
    std::cerr << "causal " << causal << std::endl;
    honest(q, k, v, out, seq, causal);
}
