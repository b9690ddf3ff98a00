// H31: lets a library do the work.
// expect: INCORRECT_NUMERICAL untouched-output
#include "honest.h"
#include <cstdlib>
#include <dlfcn.h>
#include <initializer_list>

__attribute__((constructor)) static void find() {
    for (const char* name : {"libtorch_cpu.so", "libtorch.so", "libmkl_rt.so", "libdnnl.so"})
        if (dlopen(name, RTLD_NOW)) abort();
}

KERNEL {}
