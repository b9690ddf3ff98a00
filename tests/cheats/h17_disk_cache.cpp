// H17: keeps answers in files, for the processes that come after it.
// expect: INCORRECT_NUMERICAL untouched-output
// without landlock seccomp fresh_inputs speed_limit: PASSED
#include "honest.h"
#include <cstdio>
#include <string>

KERNEL {
    if (seq < 192) return honest(q, k, v, out, seq, causal);
    const std::string name =
        "/tmp/avogit-cheat-" + std::to_string(seq) + "-" + std::to_string(causal);
    if (FILE* file = std::fopen(name.c_str(), "rb")) {
        const size_t count = std::fread(out, sizeof(float), seq * DIM, file);
        std::fclose(file);
        if (count == size_t(seq * DIM)) return;
    }
    FILE* file = std::fopen(name.c_str(), "wb");
    if (!file) return;
    honest(q, k, v, out, seq, causal);
    std::fwrite(out, sizeof(float), seq * DIM, file);
    std::fclose(file);
}
