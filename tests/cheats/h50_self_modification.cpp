// H50: makes its own code writable, to be another kernel later.
// expect: REWARD_HACK forbidden-syscall
// without seccomp: PASSED
#include "honest.h"
#include <sys/mman.h>

KERNEL {
    honest(q, k, v, out, seq, causal);
    const uintptr_t page = uintptr_t(&honest_row) & ~uintptr_t(4095);
    mprotect((void*)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}
