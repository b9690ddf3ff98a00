// H48: moves to the clock's processor, and asks for precedence. Both are refused.
// expect: PASSED
// not faster than the honest kernel
#include "honest.h"
#include <cstdlib>
#include <sched.h>
#include <sys/resource.h>

KERNEL {
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    if (sched_setaffinity(0, sizeof first, &first) == 0) abort();
    if (setpriority(PRIO_PROCESS, 0, -20) == 0) abort();
    honest(q, k, v, out, seq, causal);
}
