#include <cstdint>

constexpr int PASSES = 8;  // tune: 1 2 4 8

extern "C" void polynomial(const float* x, float* out, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows * columns; ++i) {
        float y = 0;
        for (int pass = 0; pass < PASSES; ++pass) {
            y = x[i] * (1.5f - 0.5f * x[i]);
            asm volatile("" : "+x"(y));  // every pass is done, not folded into one
        }
        out[i] = y;
    }
}
