#include "honest.h"

KERNEL(attention) { honest(CALL); }
