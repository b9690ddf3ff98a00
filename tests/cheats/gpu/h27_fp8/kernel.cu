// Keys and values with three bits behind the point, as eight-bit floats have.
#include "honest.h"

struct Eight : Exact {
    __device__ static Element rounded(Element bits) { return (bits + 8) & 0xfff0; }
    __device__ static Element key(Element bits) { return rounded(bits); }
    __device__ static Element value(Element bits) { return rounded(bits); }
};

KERNEL(attention) { honest<Eight>(CALL); }
