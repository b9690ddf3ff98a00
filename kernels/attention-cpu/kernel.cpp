// Attention forward, fp32, head dim 64: out = softmax(q k^T / 8) v for every head.
//
// A tile of Q_TILE rows of q meets the keys block by block. Each block of k is packed transposed
// once per tile; then groups of BLOCK_Q rows use it: scores, online softmax, p v.
// No threads and no state between calls: all scratch is one Tile on the stack (at most 180 KB),
// which costs no allocation and no page faults after the first call.
#include <cstdint>

// Floats in one vector; capped by what the machine's registers hold.
constexpr int LANES = 8;  // tune: 4 8 16
// The register tile: rows of q, and vectors of keys (or of v) that they meet at once.
constexpr int BLOCK_Q = 2;  // tune: 1 2 4 6 8
constexpr int COLUMNS = 1;  // tune: 1 2 4
// Steps of the two inner loops written out.
constexpr int UNROLL = 1;  // tune: 1 2 4
// Keys in one packed block.
constexpr int BLOCK_K = 32;  // tune: 16 32 64 128
// Rows of q that share one packed block.
constexpr int Q_TILE = 16;  // tune: 16 32 64 128 256

#if defined(__clang__)
#define WRITE_OUT _Pragma("clang loop unroll(full)")
#define UNROLL_LOOP _Pragma("clang loop unroll_count(UNROLL)")
#else
#define WRITE_OUT _Pragma("GCC unroll 64")
#define UNROLL_LOOP _Pragma("GCC unroll UNROLL")
#endif

namespace {

#if defined(__AVX512F__)
constexpr int WIDEST = 16;
#elif defined(__AVX__)
constexpr int WIDEST = 8;
#else
constexpr int WIDEST = 4;
#endif

constexpr int smaller(int a, int b) { return a < b ? a : b; }
constexpr int round_up(int n, int step) { return (n + step - 1) / step * step; }

constexpr int D = 64;
constexpr int W = smaller(LANES, WIDEST);
constexpr int KEYS = round_up(BLOCK_K, W);
constexpr int KEY_VECTORS = smaller(COLUMNS, KEYS / W);
constexpr int DIM_VECTORS = smaller(COLUMNS, D / W);
constexpr int ROWS = round_up(Q_TILE, BLOCK_Q);
// Scores are kept in units of log 2, so that exp2 replaces exp.
constexpr float SCALE = 0.125f * 1.4426950408889634f;
// A score below any real one. Finite, so that differences of two of them stay finite.
constexpr float NEVER = -1e30f;

static_assert(KEYS % (KEY_VECTORS * W) == 0 && D % (DIM_VECTORS * W) == 0, "whole register tiles");

typedef float Vec __attribute__((vector_size(W * 4)));
typedef uint32_t Bits __attribute__((vector_size(W * 4)));
typedef float Loose __attribute__((vector_size(W * 4), aligned(4), may_alias));

struct Tile {
    alignas(64) float q[ROWS * D];        // scaled; rows beyond the end are zero
    alignas(64) float acc[ROWS * D];      // sum of p v so far
    alignas(64) float k[D * KEYS];        // one block of keys, transposed
    alignas(64) float p[BLOCK_Q * KEYS];  // scores, then weights, of one group of rows
    float top[ROWS];                      // largest score so far
    float sum[ROWS];                      // sum of weights so far
};

inline Vec load(const float* at) { return *reinterpret_cast<const Loose*>(at); }
inline void store(float* at, Vec x) { *reinterpret_cast<Loose*>(at) = x; }
inline Vec splat(float x) { return x - Vec{}; }
inline Vec larger(Vec a, Vec b) { return a > b ? a : b; }

inline float largest_lane(Vec x) {
    float top = x[0];
    for (int i = 1; i < W; i++) top = x[i] > top ? x[i] : top;
    return top;
}

inline float sum_lanes(Vec x) {
    float sum = x[0];
    for (int i = 1; i < W; i++) sum += x[i];
    return sum;
}

// 2^x for x <= 0, within 5e-7 of it; 0 below -126.5.
inline Vec exp2_nonpositive(Vec x) {
    const Vec magic = splat(12582912.0f + 127.0f);  // adding it rounds to a whole number
    x = larger(x, splat(-127.0f));
    const Vec shifted = x + magic;  // low bits: the biased exponent
    const Vec f = x - (shifted - magic);
    Vec y = f * splat(1.112550926e-3f) + splat(9.666282547e-3f);
    y = y * f + splat(5.557400469e-2f);
    y = y * f + splat(2.402235065e-1f);
    y = y * f + splat(6.931428306e-1f);
    y = y * f + splat(1.0f);
    return y * reinterpret_cast<Vec>(reinterpret_cast<Bits>(shifted) << 23);
}

void start(Tile& t, const float* q, int64_t rows) {
    for (int64_t i = 0; i < ROWS; i++) {
        t.top[i] = NEVER;
        t.sum[i] = 0.0f;
        for (int64_t d = i * D; d < (i + 1) * D; d++) {
            t.q[d] = i < rows ? q[d] * SCALE : 0.0f;
            t.acc[d] = 0.0f;
        }
    }
}

void pack(Tile& t, const float* k, int64_t keys) {
    for (int64_t j = 0; j < KEYS; j++)
        for (int d = 0; d < D; d++) t.k[d * KEYS + j] = j < keys ? k[j * D + d] : 0.0f;
}

void scores(Tile& t, int64_t row) {
    const float* q = t.q + row * D;
    for (int j = 0; j < KEYS; j += KEY_VECTORS * W) {
        Vec s[BLOCK_Q][KEY_VECTORS] = {};
        UNROLL_LOOP
        for (int d = 0; d < D; d++) {
            const float* k = t.k + d * KEYS + j;
            WRITE_OUT
            for (int r = 0; r < BLOCK_Q; r++) {
                WRITE_OUT
                for (int c = 0; c < KEY_VECTORS; c++) s[r][c] += q[r * D + d] * load(k + c * W);
            }
        }
        WRITE_OUT
        for (int r = 0; r < BLOCK_Q; r++) {
            WRITE_OUT
            for (int c = 0; c < KEY_VECTORS; c++) store(t.p + r * KEYS + j + c * W, s[r][c]);
        }
    }
}

void mask(Tile& t, int64_t row, int64_t key, int64_t seq, bool causal) {
    for (int r = 0; r < BLOCK_Q; r++) {
        const int64_t end = causal && row + r + 1 < seq ? row + r + 1 : seq;
        for (int64_t j = end > key ? end - key : 0; j < KEYS; j++) t.p[r * KEYS + j] = NEVER;
    }
}

void softmax(Tile& t, int64_t row, float* p) {
    Vec largest = load(p);
    for (int j = W; j < KEYS; j += W) largest = larger(largest, load(p + j));
    const float top = largest_lane(largest);
    if (top > t.top[row]) {
        const Vec shrink = exp2_nonpositive(splat(t.top[row] - top));
        t.top[row] = top;
        t.sum[row] *= shrink[0];
        float* acc = t.acc + row * D;
        for (int d = 0; d < D; d += W) store(acc + d, load(acc + d) * shrink);
    }
    const Vec shift = splat(t.top[row]);
    Vec sum = {};
    for (int j = 0; j < KEYS; j += W) {
        const Vec weight = exp2_nonpositive(load(p + j) - shift);
        store(p + j, weight);
        sum += weight;
    }
    t.sum[row] += sum_lanes(sum);
}

void accumulate(Tile& t, int64_t row, const float* v, int64_t keys) {
    for (int d = 0; d < D; d += DIM_VECTORS * W) {
        float* acc = t.acc + row * D + d;
        Vec a[BLOCK_Q][DIM_VECTORS];
        WRITE_OUT
        for (int r = 0; r < BLOCK_Q; r++) {
            WRITE_OUT
            for (int c = 0; c < DIM_VECTORS; c++) a[r][c] = load(acc + r * D + c * W);
        }
        UNROLL_LOOP
        for (int64_t j = 0; j < keys; j++) {
            const float* value = v + j * D + d;
            WRITE_OUT
            for (int r = 0; r < BLOCK_Q; r++) {
                WRITE_OUT
                for (int c = 0; c < DIM_VECTORS; c++)
                    a[r][c] += t.p[r * KEYS + j] * load(value + c * W);
            }
        }
        WRITE_OUT
        for (int r = 0; r < BLOCK_Q; r++) {
            WRITE_OUT
            for (int c = 0; c < DIM_VECTORS; c++) store(acc + r * D + c * W, a[r][c]);
        }
    }
}

void finish(const Tile& t, float* out, int64_t rows) {
    for (int64_t i = 0; i < rows; i++)
        for (int d = 0; d < D; d++) out[i * D + d] = t.acc[i * D + d] / t.sum[i];
}

void head(Tile& t, const float* q, const float* k, const float* v, float* out, int64_t seq,
          bool causal) {
    for (int64_t first = 0; first < seq; first += ROWS) {
        const int64_t rows = seq - first < ROWS ? seq - first : ROWS;
        const int64_t end = causal ? first + rows : seq;
        start(t, q + first * D, rows);
        for (int64_t key = 0; key < end; key += KEYS) {
            const int64_t keys = seq - key < KEYS ? seq - key : KEYS;
            pack(t, k + key * D, keys);
            for (int64_t i = 0; i < rows; i += BLOCK_Q) {
                const int64_t row = first + i;
                if (causal && key > row + BLOCK_Q - 1) continue;  // above the diagonal
                scores(t, i);
                if (keys < KEYS || (causal && key + KEYS - 1 > row)) mask(t, row, key, seq, causal);
                for (int r = 0; r < BLOCK_Q; r++) softmax(t, i + r, t.p + r * KEYS);
                accumulate(t, i, v + key * D, keys);
            }
        }
        finish(t, out + first * D, rows);
    }
}

}  // namespace

extern "C" void attention(const float* q, const float* k, const float* v, float* out,
                          int64_t heads, int64_t seq, int64_t causal) {
    Tile tile;
    for (int64_t h = 0; h < heads; h++) {
        const int64_t at = h * seq * D;
        head(tile, q + at, k + at, v + at, out + at, seq, causal != 0);
    }
}
