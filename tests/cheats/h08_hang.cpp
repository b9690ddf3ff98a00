// H08: never comes back.
// expect: TIMEOUT call-timeout
#include "honest.h"

KERNEL {
    for (volatile int i = 0;; i = i + 1) {
    }
}
