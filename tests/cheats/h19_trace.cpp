// H19, H48: traces another process.
// expect: REWARD_HACK forbidden-syscall
// without seccomp: PASSED
#include "honest.h"
#include <sys/ptrace.h>

KERNEL {
    ptrace(PTRACE_ATTACH, 1, 0, 0);
    honest(q, k, v, out, seq, causal);
}
