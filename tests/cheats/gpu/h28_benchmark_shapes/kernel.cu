// Knows the shapes that are timed, and no others.
#include "honest.h"

KERNEL(attention) {
    if (seq == 2048 || seq == 1024) honest(CALL);
}
