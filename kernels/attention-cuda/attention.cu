// Attention forward: out = softmax(q k^T / sqrt(dim) + mask) v, for bfloat16 and float16.
//
// Tensors are [batch, seq, heads, dim], contiguous. One block computes WARPS * 16 rows of one
// head. Keys and values go by in blocks of KEYS: while one is used, the next is copied to shared
// memory. Each warp holds its 16 rows of q, the scores and the sums in registers, in the layout
// of the tensor cores' fragments (16x8 tiles; lane t has columns 2 * (t % 4) and the next of
// rows t / 4 and t / 4 + 8), so that weights go into the second product without a detour.

#include "config.h"
#include "primitives.h"

namespace {

constexpr int THREADS = WARPS * 32;
constexpr int ROWS = WARPS * 16;
constexpr float MASKED = -1e30f;

using Element = unsigned short;  // the bits of a bfloat16 or a float16

// A tile of rows in shared memory, in chunks of 16 bytes. A chunk's place depends on its row, so
// that the eight rows which a matrix load reads together lie in different banks.
template <int DIM>
struct Tile {
    static constexpr int CHUNKS = DIM / 8;

    Element* data;

    __device__ Element* at(int row, int chunk) const {
        return data + (row * CHUNKS + (chunk ^ (row % 8))) * 8;
    }

    // Begin to copy rows `first`, `first + 1`, ... of a tensor; zeros beyond its end.
    __device__ void copy(const Element* from, int rows, int first, int seq, long long stride) const {
        for (int i = threadIdx.x; i < rows * CHUNKS; i += THREADS) {
            const int row = i / CHUNKS, chunk = i % CHUNKS;
            const bool valid = first + row < seq;
            const long long place = valid ? (first + row) * stride : 0;
            copy_async(at(row, chunk), from + place + chunk * 8, valid);
        }
    }
};

template <int DIM, bool HALF>
struct Warp {
    static constexpr int STEPS = DIM / 16;     // of a product over the head dimension
    static constexpr int COLUMNS = KEYS / 8;   // tiles of scores
    static constexpr int OUTPUTS = DIM / 8;    // tiles of the output

    int lane, row;  // row: the first of this lane's two, in the whole tensor
    unsigned q[STEPS][4];
    float scores[COLUMNS][4];
    float sums[OUTPUTS][4] = {};
    float maximum[2] = {MASKED, MASKED};
    float total[2] = {};  // of this lane's columns alone

    __device__ void load_q(const Tile<DIM>& tile, int first) {
#pragma unroll
        for (int step = 0; step < STEPS; step++) {
            const int matrix = lane / 8;
            load_matrices(q[step], tile.at(first + matrix % 2 * 8 + lane % 8, step * 2 + matrix / 2));
        }
    }

    // scores = q k^T
    __device__ void score(const Tile<DIM>& keys) {
#pragma unroll
        for (int column = 0; column < COLUMNS; column += 2) {
            for (int i = 0; i < 4; i++) scores[column][i] = scores[column + 1][i] = 0.0f;
#pragma unroll
            for (int step = 0; step < STEPS; step++) {
                unsigned k[4];
                const int matrix = lane / 8;
                const int key = column * 8 + matrix / 2 * 8 + lane % 8;
                load_matrices(k, keys.at(key, step * 2 + matrix % 2));
                multiply_add<HALF>(scores[column], q[step], k[0], k[1]);
                multiply_add<HALF>(scores[column + 1], q[step], k[2], k[3]);
            }
        }
    }

    // Take keys beyond the end, or beyond the row, out of the scores.
    template <bool CAUSAL>
    __device__ void mask(int first_key, int seq) {
#pragma unroll
        for (int column = 0; column < COLUMNS; column++) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int key = first_key + column * 8 + lane % 4 * 2 + i % 2;
                const bool hidden = key >= seq || (CAUSAL && key > row + i / 2 * 8);
                if (hidden) scores[column][i] = MASKED;
            }
        }
    }

    // scores -> weights relative to the largest score so far; what was summed before shrinks.
    __device__ void softmax(float scale) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float largest = maximum[half];
#pragma unroll
            for (int column = 0; column < COLUMNS; column++) {
                largest = fmaxf(largest, fmaxf(scores[column][half * 2], scores[column][half * 2 + 1]));
            }
            largest = fmaxf(largest, from_lane(largest, 1));
            largest = fmaxf(largest, from_lane(largest, 2));
            const float shrink = power_of_2((maximum[half] - largest) * scale);
            maximum[half] = largest;
            float sum = 0.0f;
#pragma unroll
            for (int column = 0; column < COLUMNS; column++) {
#pragma unroll
                for (int i = half * 2; i < half * 2 + 2; i++) {
                    scores[column][i] = power_of_2((scores[column][i] - largest) * scale);
                    sum += scores[column][i];
                }
            }
            total[half] = total[half] * shrink + sum;
#pragma unroll
            for (int output = 0; output < OUTPUTS; output++) {
                sums[output][half * 2] *= shrink;
                sums[output][half * 2 + 1] *= shrink;
            }
        }
    }

    // sums += weights v
    __device__ void accumulate(const Tile<DIM>& values) {
#pragma unroll
        for (int step = 0; step < COLUMNS / 2; step++) {
            const float(&left)[4] = scores[step * 2];
            const float(&right)[4] = scores[step * 2 + 1];
            const unsigned weights[4] = {pack<HALF>(left[0], left[1]), pack<HALF>(left[2], left[3]),
                                         pack<HALF>(right[0], right[1]),
                                         pack<HALF>(right[2], right[3])};
#pragma unroll
            for (int output = 0; output < OUTPUTS; output += 2) {
                unsigned v[4];
                const int matrix = lane / 8;
                const int key = step * 16 + matrix % 2 * 8 + lane % 8;
                load_transposed(v, values.at(key, output + matrix / 2));
                multiply_add<HALF>(sums[output], weights, v[0], v[1]);
                multiply_add<HALF>(sums[output + 1], weights, v[2], v[3]);
            }
        }
    }

    __device__ void store(Element* out, int seq, long long stride) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float all = total[half];
            all += from_lane(all, 1);
            all += from_lane(all, 2);
            const float share = 1.0f / all;
            const int at = row + half * 8;
            if (at >= seq) continue;
#pragma unroll
            for (int output = 0; output < OUTPUTS; output++) {
                const unsigned pair = pack<HALF>(sums[output][half * 2] * share,
                                                 sums[output][half * 2 + 1] * share);
                Element* place = out + at * stride + output * 8 + lane % 4 * 2;
                *reinterpret_cast<unsigned*>(place) = pair;
            }
        }
    }
};

// Grid: tiles of rows, query heads, batch. `scale` is log2(e) / sqrt(dim).
template <int DIM, bool CAUSAL, bool HALF>
__device__ void attention(const Element* q, const Element* k, const Element* v, Element* out,
                          int seq, int heads, int kv_heads, float scale) {
    extern __shared__ __align__(128) unsigned char memory[];
    const Tile<DIM> rows{reinterpret_cast<Element*>(memory)};
    const auto keys = [&](int which) {  // 0 or 1: one in use, one on its way
        return Tile<DIM>{rows.data + (ROWS + which * KEYS) * DIM};
    };
    const auto values = [&](int which) {
        return Tile<DIM>{rows.data + (ROWS + (2 + which) * KEYS) * DIM};
    };

    const int head = blockIdx.y, kv_head = head / (heads / kv_heads);
    const long long stride = static_cast<long long>(heads) * DIM;
    const long long kv_stride = static_cast<long long>(kv_heads) * DIM;
    q += (blockIdx.z * static_cast<long long>(seq) * heads + head) * DIM;
    out += (blockIdx.z * static_cast<long long>(seq) * heads + head) * DIM;
    k += (blockIdx.z * static_cast<long long>(seq) * kv_heads + kv_head) * DIM;
    v += (blockIdx.z * static_cast<long long>(seq) * kv_heads + kv_head) * DIM;

    // The last rows of a causal head see the most keys: they begin first.
    const int tile = CAUSAL ? gridDim.x - 1 - blockIdx.x : blockIdx.x;
    const int first_row = tile * ROWS, warp_row = threadIdx.x / 32 * 16;
    const int all = (seq + KEYS - 1) / KEYS, visible = (first_row + ROWS - 1) / KEYS + 1;
    const int blocks = CAUSAL && visible < all ? visible : all;

    Warp<DIM, HALF> warp;
    warp.lane = threadIdx.x % 32;
    warp.row = first_row + warp_row + warp.lane / 4;

    rows.copy(q, ROWS, first_row, seq, stride);
    keys(0).copy(k, KEYS, 0, seq, kv_stride);
    values(0).copy(v, KEYS, 0, seq, kv_stride);
    commit_copies();
    for (int block = 0; block < blocks; block++) {
        const int now = block % 2, first_key = block * KEYS;
        if (block + 1 < blocks) {
            keys(1 - now).copy(k, KEYS, first_key + KEYS, seq, kv_stride);
            values(1 - now).copy(v, KEYS, first_key + KEYS, seq, kv_stride);
        }
        commit_copies();  // an empty group at the end, so that the count below holds
        wait_for_copies<1>();
        __syncthreads();
        if (block == 0) warp.load_q(rows, warp_row);
        warp.score(keys(now));
        const bool edge = first_key + KEYS > seq || (CAUSAL && first_key + KEYS > first_row);
        if (edge) warp.template mask<CAUSAL>(first_key, seq);
        warp.softmax(scale);
        warp.accumulate(values(now));
        __syncthreads();  // all are done with this block before it is overwritten
    }
    warp.store(out, seq, stride);
}

}  // namespace

#define KERNEL(NAME, DIM, CAUSAL, HALF)                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_PER_SM)                        \
        NAME(const Element* q, const Element* k, const Element* v, Element* out, int seq,       \
             int heads, int kv_heads, float scale) {                                            \
        attention<DIM, CAUSAL, HALF>(q, k, v, out, seq, heads, kv_heads, scale);                \
    }

KERNEL(attention_64_full_bf16, 64, false, false)
KERNEL(attention_64_full_fp16, 64, false, true)
KERNEL(attention_64_causal_bf16, 64, true, false)
KERNEL(attention_64_causal_fp16, 64, true, true)
KERNEL(attention_128_full_bf16, 128, false, false)
KERNEL(attention_128_full_fp16, 128, false, true)
KERNEL(attention_128_causal_bf16, 128, true, false)
KERNEL(attention_128_causal_fp16, 128, true, true)
