// Maps, advises and unmaps pages of its own in every call.
#include "honest.h"
#include <cstring>
#include <sys/mman.h>

KERNEL {
    const size_t size = 4 << 20;
    void* pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(pages, size, MADV_HUGEPAGE);
    honest(q, k, v, (float*)pages, seq, causal);
    std::memcpy(out, pages, seq * DIM * sizeof(float));
    munmap(pages, size);
}
