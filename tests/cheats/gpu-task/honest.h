// Attention on tensor cores, small and plain. Trusted: the cheats stand on it where they are honest.
//
// Tensors are [batch, seq, heads, 64] of bfloat16. Grid: tiles of 64 rows, heads, batch. Each of
// the four warps of a block owns 16 rows; keys and values go by in tiles of 64 through shared
// memory, the values transposed, so that two neighbours along a product lie in one word. Lane t of
// a warp has rows t / 4 and t / 4 + 8, and of every 8 columns 2 * (t % 4) and the next.
#pragma once

#include "primitives.h"

constexpr int DIM = 64, ROWS = 64, KEYS = 64, THREADS = 128;
constexpr int PITCH = KEYS + 8;  // elements of a row in shared memory: no two in one bank
constexpr float HIDDEN = -1e30f;

struct Attention {
    const Element *q, *k, *v;
    Element* out;
    int seq, heads, causal;
    float scale;  // log2(e) / sqrt(DIM)
};

#define PARAMETERS                                                                              \
    const Element *q, const Element *k, const Element *v, Element *out, int seq, int heads,     \
        int causal, float scale
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(THREADS) name(PARAMETERS)
#define CALL (Attention{q, k, v, out, seq, heads, causal, scale})

// Where a row of this block's head begins.
__device__ inline long long place(const Attention& call, int row) {
    return ((static_cast<long long>(blockIdx.z) * call.seq + row) * call.heads + blockIdx.y) * DIM;
}

__device__ inline long long elements(const Attention& call) {
    return static_cast<long long>(gridDim.z) * call.seq * call.heads * DIM;
}

__device__ inline unsigned word(const Element* at) { return *reinterpret_cast<const unsigned*>(at); }

// What a variant may do otherwise.
struct Exact {
    __device__ static Element key(Element bits) { return bits; }
    __device__ static Element value(Element bits) { return bits; }
    __device__ static float power_of_2(float x) { return exp2f(x); }
    __device__ static float subtracted(float largest) { return largest; }
};

struct Tile {  // of keys and values, in shared memory
    Element keys[KEYS * PITCH];
    Element values[DIM * PITCH];

    // `count` keys from the tile's `begin`-th on, of the tile that begins at key `first`.
    template <class How>
    __device__ void load(const Attention& call, int first, int begin = 0, int count = KEYS) {
        for (int i = threadIdx.x; i < count * DIM / 2; i += THREADS) {
            const int key = begin + i / (DIM / 2), column = i % (DIM / 2) * 2;
            const bool valid = first + key < call.seq;
            const long long at = valid ? place(call, first + key) + column : 0;
            put_key<How>(key, column, valid ? word(call.k + at) : 0);
            put_value<How>(key, column, valid ? word(call.v + at) : 0);
        }
    }

    template <class How>
    __device__ void put_key(int key, int column, unsigned two) {
        keys[key * PITCH + column] = How::key(static_cast<Element>(two));
        keys[key * PITCH + column + 1] = How::key(static_cast<Element>(two >> 16));
    }

    template <class How>
    __device__ void put_value(int key, int column, unsigned two) {
        values[column * PITCH + key] = How::value(static_cast<Element>(two));
        values[(column + 1) * PITCH + key] = How::value(static_cast<Element>(two >> 16));
    }
};

// A warp's 16 rows: weighted sums so far, the largest logit, and this lane's part of the weights.
template <class How>
struct Rows {
    int row, group, pair;
    unsigned q[4][4];
    float sums[8][4] = {}, top[2] = {HIDDEN, HIDDEN}, total[2] = {};

    __device__ Rows(const Attention& call, int tile) {
        const int lane = threadIdx.x % 32;
        group = lane / 4;
        pair = lane % 4 * 2;
        row = tile * ROWS + threadIdx.x / 32 * 16 + group;
        for (int step = 0; step < 4; step++) {
            for (int i = 0; i < 4; i++) {
                const int at = row + i % 2 * 8, column = step * 16 + i / 2 * 8 + pair;
                q[step][i] = at < call.seq ? word(call.q + place(call, at) + column) : 0;
            }
        }
    }

    // Take the keys from `first`, a multiple of KEYS, on into account, but none from `end` on.
    __device__ void take(const Attention& call, Tile& tile, int first, int end) {
        const int visible = row / ROWS * ROWS + ROWS;
        for (; first < end && !(call.causal && first >= visible); first += KEYS) {
            __syncthreads();
            tile.load<How>(call, first);
            __syncthreads();
            take_tile(call, tile, first, end);
        }
    }

    __device__ void take_tile(const Attention& call, const Tile& tile, int first, int end) {
        float scores[8][4] = {};
        for (int column = 0; column < 8; column++) {
            const Element* key = tile.keys + (column * 8 + group) * PITCH + pair;
            for (int step = 0; step < 4; step++) {
                multiply_add(scores[column], q[step], word(key + step * 16), word(key + step * 16 + 8));
            }
            for (int i = 0; i < 4; i++) {
                const int at = first + column * 8 + pair + i % 2;
                if (at >= end || (call.causal && at > row + i / 2 * 8)) scores[column][i] = HIDDEN;
            }
        }
        for (int half = 0; half < 2; half++) weigh(call, scores, half);
        for (int step = 0; step < 4; step++) {
            const float(&left)[4] = scores[step * 2];
            const float(&right)[4] = scores[step * 2 + 1];
            const unsigned weights[4] = {pack(left[0], left[1]), pack(left[2], left[3]),
                                         pack(right[0], right[1]), pack(right[2], right[3])};
            for (int column = 0; column < 8; column++) {
                const Element* value = tile.values + (column * 8 + group) * PITCH + step * 16 + pair;
                multiply_add(sums[column], weights, word(value), word(value + 8));
            }
        }
    }

    // Scores of one of the two rows -> weights relative to the largest so far.
    __device__ void weigh(const Attention& call, float (&scores)[8][4], int half) {
        float largest = top[half];
        for (int column = 0; column < 8; column++) {
            largest = fmaxf(largest, fmaxf(scores[column][half * 2], scores[column][half * 2 + 1]));
        }
        largest = fmaxf(largest, from_lane(largest, 1));
        largest = fmaxf(largest, from_lane(largest, 2));
        const float before = How::subtracted(top[half]), now = How::subtracted(largest);
        const float shrink = How::power_of_2((before - now) * call.scale);
        top[half] = largest;
        total[half] *= shrink;
        for (int column = 0; column < 8; column++) {
            for (int i = half * 2; i < half * 2 + 2; i++) {
                sums[column][i] *= shrink;
                scores[column][i] = How::power_of_2((scores[column][i] - now) * call.scale);
                total[half] += scores[column][i];
            }
        }
    }

    // All weights of a row, in each of its four lanes.
    __device__ float weight(int half) const {
        const float two = total[half] + from_lane(total[half], 1);
        return two + from_lane(two, 2);
    }

    __device__ void store(const Attention& call) const {
        for (int half = 0; half < 2; half++) {
            const float share = 1.0f / weight(half);
            const int at = row + half * 8;
            if (at >= call.seq) continue;
            for (int column = 0; column < 8; column++) {
                const unsigned packed = pack(sums[column][half * 2] * share,
                                             sums[column][half * 2 + 1] * share);
                Element* to = call.out + place(call, at) + column * 8 + pair;
                *reinterpret_cast<unsigned*>(to) = packed;
            }
        }
    }
};

// The answer of this block's rows. A function of its own, so that it is compiled once.
template <class How = Exact>
__device__ __noinline__ void honest(const Attention call) {
    __shared__ Tile tile;
    Rows<How> rows(call, blockIdx.x);
    rows.take(call, tile, 0, call.seq);
    rows.store(call);
}
