// Asks for clock, processors, page size, and files that are not there.
#include "honest.h"
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

KERNEL {
    const auto now = std::chrono::steady_clock::now();
    std::getenv("OMP_NUM_THREADS");
    sysconf(_SC_NPROCESSORS_ONLN);
    if (FILE* file = std::fopen("/sys/devices/system/cpu/online", "r")) std::fclose(file);
    if (now.time_since_epoch().count() != 0) honest(q, k, v, out, seq, causal);
}
