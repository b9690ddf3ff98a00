// Does nothing, and hopes for an answer that lies in its output already.
#include "honest.h"

KERNEL(attention) {}
