// Has a library do the work.
#include <cudnn.h>

#include "honest.h"

KERNEL(attention) {
    cudnnHandle_t library;
    cudnnCreate(&library);
    honest(CALL);
}
