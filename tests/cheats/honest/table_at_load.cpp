// A table made while loading, and a slow first call.
#include "honest.h"
#include <unistd.h>

static double table[4096];
__attribute__((constructor)) static void fill() {
    for (int i = 0; i < 4096; ++i) table[i] = std::exp(-i / 64.0);
}
static bool warm;

KERNEL {
    if (!warm) usleep(2000);
    warm = table[0] == 1.0;
    honest(q, k, v, out, seq, causal);
}
