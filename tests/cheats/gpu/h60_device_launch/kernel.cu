// Ends, and leaves the work to a kernel that it launched.
#include "honest.h"

__global__ void work(Attention call) { honest(call); }

KERNEL(attention) {
    if (blockIdx.x + blockIdx.y + blockIdx.z + threadIdx.x > 0) return;
    work<<<gridDim, blockDim>>>(CALL);
}
