// H08: ends the process cleanly while it is loaded.
// expect: RUNTIME_ERROR exited
#include "honest.h"
#include <unistd.h>

__attribute__((constructor)) static void leave() { _exit(0); }
KERNEL { honest(q, k, v, out, seq, causal); }
