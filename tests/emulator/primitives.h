// The seed's primitives on a CPU: every thread of a block is a coroutine, and each warp-wide
// instruction is computed from what all lanes of the warp handed in. Takes the place of the
// task's own primitives.h, so that attention.cu runs unchanged. It shows that indices, layouts
// and arithmetic are right; it knows nothing of time, banks or races between warps.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#define __device__
#define __global__
#define __shared__
#define __align__(n)
#define __launch_bounds__(...)

namespace {

struct Dim {
    int x, y, z;
};
struct Copy {
    void* to;
    const void* from;
    bool valid;
};
struct Lane {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(1 << 18);
    std::vector<std::vector<Copy>> groups = {{}};
    int operation = 0;
    bool ended = false;
};
struct Operands {
    const void* row;
    unsigned a[4], b[2];
    float value;
};

Dim threadIdx, blockIdx, gridDim;
alignas(128) unsigned char memory[232448];
std::vector<Lane> lanes;
ucontext_t scheduler;
Operands handed[2][1024];

// Let every other thread of the block come as far as this one.
inline void yield() {
    const int me = threadIdx.x;
    swapcontext(&lanes[me].context, &scheduler);
}

// What this warp's lanes hand in to one instruction. Two sets take turns, since a lane may be one
// instruction ahead of another, and no more.
inline Operands* exchange(const Operands& mine) {
    Operands* set = handed[lanes[threadIdx.x].operation++ % 2];
    set[threadIdx.x] = mine;
    yield();
    return set + threadIdx.x / 32 * 32;
}

inline void __syncthreads() { yield(); }

inline void copy_async(void* to, const void* from, bool valid) {
    lanes[threadIdx.x].groups.back().push_back({to, from, valid});
}

inline void commit_copies() { lanes[threadIdx.x].groups.emplace_back(); }

template <int GROUPS>
inline void wait_for_copies() {
    auto& groups = lanes[threadIdx.x].groups;
    while (static_cast<int>(groups.size()) - 1 > GROUPS) {
        for (const Copy& copy : groups.front()) {
            copy.valid ? memcpy(copy.to, copy.from, 16) : memset(copy.to, 0, 16);
        }
        groups.erase(groups.begin());
    }
}

inline void load_matrices(unsigned (&to)[4], const void* row) {
    const int lane = threadIdx.x % 32;
    const Operands* all = exchange({row, {}, {}, 0});
    for (int m = 0; m < 4; m++) {
        memcpy(&to[m], static_cast<const char*>(all[m * 8 + lane / 4].row) + lane % 4 * 4, 4);
    }
}

inline void load_transposed(unsigned (&to)[4], const void* row) {
    const int lane = threadIdx.x % 32;
    const Operands* all = exchange({row, {}, {}, 0});
    for (int m = 0; m < 4; m++) {
        const int first = m * 8 + lane % 4 * 2;
        const unsigned low = static_cast<const uint16_t*>(all[first].row)[lane / 4];
        const unsigned high = static_cast<const uint16_t*>(all[first + 1].row)[lane / 4];
        to[m] = low | high << 16;
    }
}

template <bool HALF>
inline float number(unsigned packed, int which) {
    const uint16_t bits = static_cast<uint16_t>(packed >> (16 * which));
    if constexpr (HALF) {
        _Float16 half;
        memcpy(&half, &bits, 2);
        return static_cast<float>(half);
    }
    const uint32_t wide = static_cast<uint32_t>(bits) << 16;
    float found;
    memcpy(&found, &wide, 4);
    return found;
}

template <bool HALF>
inline void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
    const int lane = threadIdx.x % 32;
    const Operands* all = exchange({nullptr, {a[0], a[1], a[2], a[3]}, {b0, b1}, 0});
    for (int i = 0; i < 4; i++) {
        const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        for (int k = 0; k < 16; k++) {
            const unsigned left = all[row % 8 * 4 + k % 8 / 2].a[row / 8 + k / 8 * 2];
            const unsigned right = all[column * 4 + k % 8 / 2].b[k / 8];
            c[i] += number<HALF>(left, k % 2) * number<HALF>(right, k % 2);
        }
    }
}

template <bool HALF>
inline unsigned rounded(float x) {
    uint32_t bits;
    if constexpr (HALF) {
        const _Float16 half = static_cast<_Float16>(x);
        uint16_t narrow;
        memcpy(&narrow, &half, 2);
        return narrow;
    }
    memcpy(&bits, &x, 4);
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

template <bool HALF>
inline unsigned pack(float low, float high) {
    return rounded<HALF>(low) | rounded<HALF>(high) << 16;
}

inline float power_of_2(float x) { return x < -126 ? 0.0f : std::exp2(x); }

inline float from_lane(float x, int bits) {
    const int lane = threadIdx.x % 32;
    return exchange({nullptr, {}, {}, x})[lane ^ bits].value;
}

using Kernel = void (*)(const uint16_t*, const uint16_t*, const uint16_t*, uint16_t*, int, int, int,
                        float);
struct Call {
    Kernel kernel;
    const uint16_t *q, *k, *v;
    uint16_t* out;
    int seq, heads, kv_heads;
    float scale;
} call;

void enter() {
    call.kernel(call.q, call.k, call.v, call.out, call.seq, call.heads, call.kv_heads, call.scale);
    lanes[threadIdx.x].ended = true;
    yield();
}

// Whether all threads ended in the same round: none waits for a barrier that others left out.
bool run_block(int threads) {
    lanes.clear();
    lanes.resize(threads);
    memset(memory, 0xff, sizeof memory);
    for (Lane& lane : lanes) {
        getcontext(&lane.context);
        lane.context.uc_stack = {lane.stack.data(), 0, lane.stack.size()};
        makecontext(&lane.context, enter, 0);
    }
    for (int ended = 0; ended == 0;) {
        for (int t = 0; t < threads; t++) {
            threadIdx = {t, 0, 0};
            swapcontext(&scheduler, &lanes[t].context);
            ended += lanes[t].ended;
        }
        if (ended != 0 && ended != threads) return false;
    }
    return true;
}

}  // namespace

// 0, or 1 where threads of a block part ways.
extern "C" int emulate(Kernel kernel, const int* grid, int threads, const uint16_t* q,
                       const uint16_t* k, const uint16_t* v, uint16_t* out, int seq, int heads,
                       int kv_heads, float scale) {
    call = {kernel, q, k, v, out, seq, heads, kv_heads, scale};
    gridDim = {grid[0], grid[1], grid[2]};
    for (int z = 0; z < grid[2]; z++) {
        for (int y = 0; y < grid[1]; y++) {
            for (int x = 0; x < grid[0]; x++) {
                blockIdx = {x, y, z};
                if (!run_block(threads)) return 1;
            }
        }
    }
    return 0;
}
