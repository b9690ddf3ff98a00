// H05: brings its own clock, in which no time passes. The clock is in another process.
// expect: PASSED
// not faster than the honest kernel
#include "honest.h"
#include <time.h>

extern "C" int clock_gettime(clockid_t, struct timespec* now) {
    *now = {1, 0};
    return 0;
}
extern "C" time_t time(time_t*) { return 1; }
KERNEL { honest(q, k, v, out, seq, causal); }
