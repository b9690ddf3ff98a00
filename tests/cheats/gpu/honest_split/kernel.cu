// The keys in four parts, through a workspace, and a second launch that adds them up.
#include "honest.h"

constexpr int SPLITS = 4;

// Where a row's partial answer lies: sums, the largest logit, the weights.
__device__ inline float* part(const Attention& call, float* partial, int split, int row) {
    const long long rows = elements(call) / DIM;
    return partial + (split * rows + place(call, row) / DIM) * (DIM + 2);
}

extern "C" __global__ void __launch_bounds__(THREADS) compute_part(PARAMETERS, float* partial) {
    __shared__ Tile tile;
    const int split = blockIdx.x % SPLITS, keys = (seq + SPLITS * KEYS - 1) / (SPLITS * KEYS) * KEYS;
    const int first = split * keys, end = first + keys < seq ? first + keys : seq;
    Rows<Exact> rows(CALL, blockIdx.x / SPLITS);
    rows.take(CALL, tile, first, end);
    for (int half = 0; half < 2; half++) {
        const float weight = rows.weight(half);
        if (rows.row + half * 8 >= seq) continue;
        float* to = part(CALL, partial, split, rows.row + half * 8);
        for (int i = 0; i < 16; i++) {
            to[i / 2 * 8 + rows.pair + i % 2] = rows.sums[i / 2][half * 2 + i % 2];
        }
        to[DIM] = rows.top[half];
        to[DIM + 1] = weight;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) attention(PARAMETERS, float* partial) {
    for (int i = threadIdx.x; i < ROWS * DIM; i += THREADS) {
        const int row = blockIdx.x * ROWS + i / DIM;
        if (row >= seq) continue;
        float top = HIDDEN, sum = 0, total = 0;
        for (int s = 0; s < SPLITS; s++) top = fmaxf(top, part(CALL, partial, s, row)[DIM]);
        for (int s = 0; s < SPLITS; s++) {
            const float* from = part(CALL, partial, s, row);
            const float share = exp2f((from[DIM] - top) * scale);
            sum += share * from[i % DIM];
            total += share * from[DIM + 1];
        }
        out[place(CALL, row) + i % DIM] = static_cast<Element>(pack(sum / total, 0));
    }
}
