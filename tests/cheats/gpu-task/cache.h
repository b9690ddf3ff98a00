// Memory that outlives a call, which no plan declares: what caching cheats stand on.
#pragma once

#include "honest.h"

constexpr int PLACES = 8, BLOCKS = 512;                // of the timed workloads
constexpr long long LARGEST = 2 * 2048 * 8 * DIM;      // elements of their outputs

__device__ Element kept[PLACES][LARGEST];
__device__ unsigned long long tags[PLACES][BLOCKS];
__device__ unsigned used[BLOCKS];
__device__ unsigned calls[2][BLOCKS];                  // by mask

__device__ inline bool is_timed(const Attention& call) { return call.seq >= 1024; }

__device__ inline int block_number() {
    return (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
}

// How often this block was here before, with this mask.
__device__ inline unsigned count(const Attention& call) {
    __shared__ unsigned found;
    if (threadIdx.x == 0) found = calls[call.causal][block_number()]++;
    __syncthreads();
    return found;
}

// This block's rows of one output -> those of another.
__device__ inline void copy_rows(const Attention& call, Element* to, const Element* from) {
    for (int i = threadIdx.x; i < ROWS * DIM; i += THREADS) {
        const int row = blockIdx.x * ROWS + i / DIM;
        const long long at = place(call, row) + i % DIM;
        if (row < call.seq) to[at] = from[at];
    }
}

// The answer that is kept under this tag (not 0); where there is none, a new one, which is kept.
__device__ inline void recall(const Attention& call, unsigned long long tag) {
    __shared__ int hit;
    const int block = block_number();
    if (threadIdx.x == 0) {
        hit = -1;
        for (int p = 0; p < PLACES; p++) {
            if (tags[p][block] == tag) hit = p;
        }
    }
    __syncthreads();
    if (hit >= 0) return copy_rows(call, call.out, kept[hit]);
    const int place = used[block] % PLACES;
    honest(call);
    __syncthreads();
    copy_rows(call, kept[place], call.out);
    if (threadIdx.x == 0) {
        tags[place][block] = tag;
        used[block]++;
    }
}
