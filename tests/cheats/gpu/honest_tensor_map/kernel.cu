// Keys come through the copy engine, as a tensor map describes them.
#include "honest.h"

struct alignas(64) TensorMap {
    unsigned char bytes[128];
};

__device__ inline unsigned address(const void* shared) {
    return static_cast<unsigned>(__cvta_generic_to_shared(shared));
}

// Begin to copy 64 keys of this block's head; the barrier knows how many bytes to wait for.
__device__ inline void fetch(const TensorMap& map, Element* to, unsigned long long* barrier,
                             int first) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address(barrier)),
                 "r"(KEYS * DIM * 2) : "memory");
    asm volatile(
        "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes"
        " [%0], [%1, {%2, %3, %4, %5}], [%6];" ::"r"(address(to)), "l"(&map), "r"(0),
        "r"(blockIdx.y), "r"(first), "r"(blockIdx.z), "r"(address(barrier)) : "memory");
}

__device__ inline void wait(unsigned long long* barrier, unsigned phase) {
    unsigned done = 0;
    while (!done) {
        asm volatile(
            "{ .reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;"
            " selp.u32 %0, 1, 0, p; }" : "=r"(done) : "r"(address(barrier)), "r"(phase) : "memory");
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
    attention(PARAMETERS, const __grid_constant__ TensorMap map) {
    __shared__ alignas(128) Element fetched[KEYS * DIM];
    __shared__ alignas(8) unsigned long long barrier;
    __shared__ Tile tile;
    if (threadIdx.x == 0) {
        asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(address(&barrier)) : "memory");
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    Rows<Exact> rows(CALL, blockIdx.x);
    const int visible = blockIdx.x * ROWS + ROWS, end = causal && visible < seq ? visible : seq;
    for (int first = 0; first < end; first += KEYS) {
        if (threadIdx.x == 0) fetch(map, fetched, &barrier, first);
        for (int i = threadIdx.x; i < KEYS * DIM / 2; i += THREADS) {
            const int key = i / (DIM / 2), column = i % (DIM / 2) * 2;
            const bool valid = first + key < seq;
            tile.put_value<Exact>(key, column,
                                  valid ? word(v + place(CALL, first + key) + column) : 0);
        }
        wait(&barrier, first / KEYS % 2);
        __syncthreads();
        for (int i = threadIdx.x; i < KEYS * DIM / 2; i += THREADS) {
            tile.put_key<Exact>(i / (DIM / 2), i % (DIM / 2) * 2, word(fetched + i * 2));
        }
        __syncthreads();
        rows.take_tile(CALL, tile, first, seq);
        __syncthreads();
    }
    rows.store(CALL);
}
