// H48: prints without end. What it prints is bounded, and stalls nobody.
// expect: PASSED
// not faster than the honest kernel
#include "honest.h"
#include <unistd.h>

KERNEL {
    static char noise[1 << 16];
    for (int i = 0; i < 20; ++i)
        if (write(1, noise, sizeof noise) < 0) break;
    honest(q, k, v, out, seq, causal);
}
