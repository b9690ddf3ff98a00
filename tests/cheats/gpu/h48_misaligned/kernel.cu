// Stores to an address that no store may have: its context is lost.
#include "honest.h"

KERNEL(attention) {
    *reinterpret_cast<volatile unsigned*>(reinterpret_cast<char*>(out) + 1) = 0;
}
