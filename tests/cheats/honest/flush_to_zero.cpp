// Sets the processor's rounding of tiny numbers.
#include "honest.h"
#ifdef __SSE2__
#include <immintrin.h>
#endif

KERNEL {
#ifdef __SSE2__
    _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
    honest(q, k, v, out, seq, causal);
}
