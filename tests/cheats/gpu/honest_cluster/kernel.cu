// Two blocks of a cluster fetch half of every tile each, and read the rest from one another.
#include "honest.h"

constexpr int HALF = KEYS / 2;

__device__ inline unsigned rank_in_cluster() {
    unsigned rank;
    asm volatile("mov.u32 %0, %cluster_ctarank;" : "=r"(rank));
    return rank;
}

__device__ inline void wait_for_cluster() {
    asm volatile("barrier.cluster.arrive.release; barrier.cluster.wait.acquire;" ::: "memory");
}

// The word at this place of the other block's shared memory.
__device__ inline unsigned other_word(const Element* mine, unsigned rank) {
    const unsigned here = static_cast<unsigned>(__cvta_generic_to_shared(mine));
    unsigned there, found;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(here), "r"(rank));
    asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(found) : "r"(there) : "memory");
    return found;
}

__device__ inline void copy_word(Element* mine, unsigned rank) {
    *reinterpret_cast<unsigned*>(mine) = other_word(mine, rank);
}

KERNEL(attention) {
    __shared__ Tile tile;
    const int rank = rank_in_cluster(), other = 1 - rank;
    Rows<Exact> rows(CALL, blockIdx.x);
    const int visible = (blockIdx.x - rank) * ROWS + 2 * ROWS;  // of both blocks
    const int end = causal && visible < seq ? visible : seq;
    for (int first = 0; first < end; first += KEYS) {
        tile.load<Exact>(CALL, first, rank * HALF, HALF);
        wait_for_cluster();
        for (int i = threadIdx.x; i < HALF * DIM / 2; i += THREADS) {
            const int key = other * HALF + i / (DIM / 2), dim = i / (HALF / 2);
            copy_word(tile.keys + key * PITCH + i % (DIM / 2) * 2, other);
            copy_word(tile.values + dim * PITCH + other * HALF + i % (HALF / 2) * 2, other);
        }
        wait_for_cluster();
        rows.take_tile(CALL, tile, first, seq);
        wait_for_cluster();
    }
    rows.store(CALL);
}
