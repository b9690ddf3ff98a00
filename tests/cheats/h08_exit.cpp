// H08: ends the process cleanly before anything can be judged.
// expect: RUNTIME_ERROR exited
#include "honest.h"
#include <unistd.h>

KERNEL { _exit(0); }
