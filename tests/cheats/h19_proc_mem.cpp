// H19: looks for the answers in files of the system.
// expect: INCORRECT_NUMERICAL untouched-output
#include "honest.h"
#include <cstdio>
#include <initializer_list>

KERNEL {
    for (const char* name : {"/proc/1/mem", "/proc/self/mem", "/proc/1/fd/0"})
        if (std::fopen(name, "rb")) honest(q, k, v, out, seq, causal);
}
