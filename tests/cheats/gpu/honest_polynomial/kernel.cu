// 2 to the power x by a polynomial, as fast kernels do where there are few units for it.
#include "honest.h"

struct Polynomial : Exact {
    __device__ static float power_of_2(float x) {
        const float clamped = fmaxf(x, -126.0f), whole = floorf(clamped), rest = clamped - whole;
        const float part = ((0.077068f * rest + 0.227644f) * rest + 0.695117f) * rest + 1.0f;
        return x < -126.0f ? 0.0f : ldexpf(part, static_cast<int>(whole));
    }
};

KERNEL(attention) { honest<Polynomial>(CALL); }
