// Never ends, and so would keep the device from all others.
#include "honest.h"

KERNEL(attention) {
    for (;;) __nanosleep(1000);
}
