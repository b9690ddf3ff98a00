// Says that the next launch may begin before this one is done. It may, if a plan could ask.
#include "honest.h"

KERNEL(first_half) {
    asm volatile("griddepcontrol.launch_dependents;");
    if (blockIdx.x % 2 == 0) honest(CALL);
}

KERNEL(attention) {
    if (blockIdx.x % 2 == 1) honest(CALL);
}
