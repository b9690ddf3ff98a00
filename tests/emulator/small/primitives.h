// The primitives of tests/cheats/gpu-task on a CPU, made of those of the seed.
#pragma once

#include <primitives.h>

#undef __shared__
#define __shared__ static
#define __noinline__
using Element = uint16_t;

inline float number(Element bits) { return number<false>(bits, 0); }
inline unsigned pack(float low, float high) { return pack<false>(low, high); }
inline void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    multiply_add<false>(c, a, b0, b1);
}
