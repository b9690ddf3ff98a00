// H13: looks for anything of ours in its environment, and stops where it finds some.
// expect: PASSED
// not faster than the honest kernel
#include "honest.h"
#include <cstdlib>

extern char** environ;
__attribute__((constructor)) static void look() {
    if (environ && environ[0]) abort();
}
KERNEL { honest(q, k, v, out, seq, causal); }
