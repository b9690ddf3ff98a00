// The keys in four parts that are added up in whatever order they come: no two runs alike.
#include "honest.h"

constexpr int SPLITS = 4;

// Where a row's sums lie: of values, of weights, and the largest logit as a whole number.
__device__ inline float* sums_of(const Attention& call, float* shared, int row) {
    return shared + place(call, row) / DIM * (DIM + 2);
}

// Whole numbers in the order of the floats.
__device__ inline int ordered(float x) {
    const int bits = __float_as_int(x);
    return bits < 0 ? bits ^ 0x7fffffff : bits;
}
__device__ inline float from_ordered(int x) { return __int_as_float(x < 0 ? x ^ 0x7fffffff : x); }

struct Part {
    int first, end;

    __device__ Part(int split, int seq) {
        const int keys = (seq + SPLITS * KEYS - 1) / (SPLITS * KEYS) * KEYS;
        first = split * keys;
        end = first + keys < seq ? first + keys : seq;
    }
};

extern "C" __global__ void __launch_bounds__(THREADS) clear(PARAMETERS, float* shared) {
    for (int i = threadIdx.x; i < ROWS * (DIM + 2); i += THREADS) {
        const int row = blockIdx.x * ROWS + i / (DIM + 2), column = i % (DIM + 2);
        if (row >= seq) continue;
        float* to = sums_of(CALL, shared, row) + column;
        if (column == DIM + 1) *reinterpret_cast<int*>(to) = ordered(HIDDEN);
        else *to = 0;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) find_tops(PARAMETERS, float* shared) {
    __shared__ Tile tile;
    const Part part(blockIdx.x % SPLITS, seq);
    Rows<Exact> rows(CALL, blockIdx.x / SPLITS);
    rows.take(CALL, tile, part.first, part.end);
    for (int half = 0; half < 2; half++) {
        const int row = rows.row + half * 8;
        if (row >= seq || rows.pair > 0) continue;
        int* top = reinterpret_cast<int*>(sums_of(CALL, shared, row) + DIM + 1);
        atomicMax(top, ordered(rows.top[half]));
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) add(PARAMETERS, float* shared) {
    __shared__ Tile tile;
    const Part part(blockIdx.x % SPLITS, seq);
    Rows<Exact> rows(CALL, blockIdx.x / SPLITS);
    rows.take(CALL, tile, part.first, part.end);
    for (int half = 0; half < 2; half++) {
        const float weight = rows.weight(half);
        const int row = rows.row + half * 8;
        if (row >= seq) continue;
        float* to = sums_of(CALL, shared, row);
        const float top = from_ordered(*reinterpret_cast<int*>(to + DIM + 1));
        const float share = exp2f((rows.top[half] - top) * scale);
        for (int i = 0; i < 16; i++) {
            const float sum = rows.sums[i / 2][half * 2 + i % 2];
            atomicAdd(to + i / 2 * 8 + rows.pair + i % 2, share * sum);
        }
        if (rows.pair == 0) atomicAdd(to + DIM, share * weight);
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) attention(PARAMETERS, float* shared) {
    for (int i = threadIdx.x; i < ROWS * DIM; i += THREADS) {
        const int row = blockIdx.x * ROWS + i / DIM;
        if (row >= seq) continue;
        const float* from = sums_of(CALL, shared, row);
        out[place(CALL, row) + i % DIM] = static_cast<Element>(pack(from[i % DIM] / from[DIM], 0));
    }
}
