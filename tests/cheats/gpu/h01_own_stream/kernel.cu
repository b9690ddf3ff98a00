// Works on a stream of its own: a device may make one, with the device runtime.
#include "honest.h"

__global__ void work(Attention call) { honest(call); }

KERNEL(attention) {
    if (blockIdx.x + blockIdx.y + blockIdx.z + threadIdx.x > 0) return;
    cudaStream_t own;
    cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking);
    work<<<gridDim, blockDim, 0, own>>>(CALL);
}
