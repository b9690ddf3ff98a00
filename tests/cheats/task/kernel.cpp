#include "honest.h"

KERNEL { honest(q, k, v, out, seq, causal); }
