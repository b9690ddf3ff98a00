// Row softmax, fp32: out[r][c] = exp(x[r][c] - max(x[r])) / sum of these over the row.
//
// Three passes over a row: its maximum, the exponentials and their sum, the division. No threads,
// no state between calls, no scratch: the exponentials wait in `out`.
#include <cstdint>

// Floats in one vector; capped by what the machine's registers hold.
constexpr int LANES = 4;  // tune: 4 8 16
// Vectors at once, each with a maximum and a sum of its own: chains of dependent steps get shorter.
constexpr int CHAINS = 1;  // tune: 1 2 4
// Degree of the polynomial that stands for 2^x on [-1/2, 1/2]: a Taylor series, cut off here.
constexpr int DEGREE = 8;  // tune: 5 6 7 8 9

#if defined(__clang__)
#define WRITE_OUT _Pragma("clang loop unroll(full)")
#else
#define WRITE_OUT _Pragma("GCC unroll 16")
#endif

namespace {

#if defined(__AVX512F__)
constexpr int WIDEST = 16;
#elif defined(__AVX__)
constexpr int WIDEST = 8;
#else
constexpr int WIDEST = 4;
#endif

constexpr int W = LANES < WIDEST ? LANES : WIDEST;
constexpr int STEP = W * CHAINS;
constexpr float LOG2_E = 1.4426950408889634f;

typedef float Vec __attribute__((vector_size(W * 4)));
typedef uint32_t Bits __attribute__((vector_size(W * 4)));
typedef float Loose __attribute__((vector_size(W * 4), aligned(4), may_alias));

inline Vec load(const float* at) { return *reinterpret_cast<const Loose*>(at); }
inline void store(float* at, Vec x) { *reinterpret_cast<Loose*>(at) = x; }
inline Vec splat(float x) { return x - Vec{}; }
inline Vec larger(Vec a, Vec b) { return a > b ? a : b; }

// ln(2)^n / n!
constexpr float TAYLOR[] = {1.0f,           6.931471806e-1f, 2.402265070e-1f, 5.550410866e-2f,
                            9.618129108e-3f, 1.333355815e-3f, 1.540353039e-4f, 1.525273380e-5f,
                            1.321548679e-6f, 1.017808601e-7f};

// 2^x for x <= 0; 0 below -126.5.
inline Vec exp2_nonpositive(Vec x) {
    const Vec magic = splat(12582912.0f + 127.0f);  // adding it rounds to a whole number
    x = larger(x, splat(-127.0f));
    const Vec shifted = x + magic;  // low bits: the biased exponent
    const Vec f = x - (shifted - magic);
    Vec y = splat(TAYLOR[DEGREE]);
    WRITE_OUT
    for (int n = DEGREE - 1; n >= 0; n--) y = y * f + splat(TAYLOR[n]);
    return y * reinterpret_cast<Vec>(reinterpret_cast<Bits>(shifted) << 23);
}

float largest(const float* x, int64_t cols) {
    int64_t c = 0;
    float top = x[0];
    if (cols >= STEP) {
        Vec tops[CHAINS];
        WRITE_OUT
        for (int i = 0; i < CHAINS; i++) tops[i] = load(x + i * W);
        for (c = STEP; c + STEP <= cols; c += STEP) {
            WRITE_OUT
            for (int i = 0; i < CHAINS; i++) tops[i] = larger(tops[i], load(x + c + i * W));
        }
        for (int i = 0; i < CHAINS; i++)
            for (int lane = 0; lane < W; lane++) top = tops[i][lane] > top ? tops[i][lane] : top;
    }
    for (; c < cols; c++) top = x[c] > top ? x[c] : top;
    return top;
}

// Writes exp(x - top) to `out`; the result is their sum.
float exponentials(const float* x, float* out, int64_t cols, float top) {
    int64_t c = 0;
    Vec sums[CHAINS] = {};
    for (; c + STEP <= cols; c += STEP) {
        WRITE_OUT
        for (int i = 0; i < CHAINS; i++) {
            const Vec y = exp2_nonpositive((load(x + c + i * W) - splat(top)) * splat(LOG2_E));
            store(out + c + i * W, y);
            sums[i] += y;
        }
    }
    float sum = 0.0f;
    for (int i = 0; i < CHAINS; i++)
        for (int lane = 0; lane < W; lane++) sum += sums[i][lane];
    for (; c < cols; c++) {
        out[c] = exp2_nonpositive(splat((x[c] - top) * LOG2_E))[0];
        sum += out[c];
    }
    return sum;
}

void scale(float* out, int64_t cols, float factor) {
    int64_t c = 0;
    for (; c + STEP <= cols; c += STEP) {
        WRITE_OUT
        for (int i = 0; i < CHAINS; i++) store(out + c + i * W, load(out + c + i * W) * factor);
    }
    for (; c < cols; c++) out[c] *= factor;
}

}  // namespace

extern "C" void softmax(const float* x, float* out, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        const float* row = x + r * cols;
        const float sum = exponentials(row, out + r * cols, cols, largest(row, cols));
        scale(out + r * cols, cols, 1.0f / sum);
    }
}
