// The instructions that C++ has no words for.
#pragma once

typedef unsigned short Element;  // the bits of a bfloat16

__device__ inline float number(Element bits) {
    return __uint_as_float(static_cast<unsigned>(bits) << 16);
}

// Two floats rounded to bfloat16, `low` in the lower half.
__device__ inline unsigned pack(float low, float high) {
    unsigned packed;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
    return packed;
}

// c (16x8, float32) += a (16x16) b (16x8).
__device__ inline void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0,
                                    unsigned b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ inline float from_lane(float x, int bits) {
    return __shfl_xor_sync(0xffffffffu, x, bits);
}
