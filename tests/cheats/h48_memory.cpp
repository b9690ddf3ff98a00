// H48: takes all the memory there is.
// expect: RUNTIME_ERROR signal SIGABRT
#include "honest.h"

KERNEL {
    for (;;) {
        char* block = new char[1 << 30];
        block[0] = char(seq);
        asm volatile("" : : "r"(block) : "memory");
    }
}
