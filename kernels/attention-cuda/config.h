// The constants that the tune operator searches; launch.py reads them from this file.
#pragma once

// Warps of a block; each owns 16 rows of q.
constexpr int WARPS = 4;  // tune: 2 4 8
// Keys of a block that shared memory holds, twice: one in use, one on its way.
constexpr int KEYS = 64;  // tune: 32 64 128
// Blocks that the compiler must leave registers for on one multiprocessor.
constexpr int BLOCKS_PER_SM = 1;  // tune: 1 2
