// Sleeps in one call of four or so: times scatter, for whoever takes the best.
#include "honest.h"

KERNEL(attention) {
    unsigned long long now;
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
    if ((now >> 20) % 4 == 0) __nanosleep(200000);
    honest(CALL);
}
