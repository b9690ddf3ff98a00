// H07, H09: runs Python in its own process to find the token, says "done", and only then works.
// The clock runs until the process is seen stopped, and then its output is taken.
// expect: INCORRECT_NUMERICAL untouched-output
// without stop_at_done speed_limit: PASSED
#include "honest.h"
#include <dlfcn.h>
#include <unistd.h>

static const char* steal = R"(
import os, sys
frame = sys._getframe()
def loops(frame):
    while frame is not None:
        if 'token' in frame.f_locals:
            yield frame.f_locals['token']
        frame = frame.f_back
class Quiet:
    def __getattr__(self, name):
        return getattr(os, name)
    def write(self, fd, data):
        return len(data)
sys.modules['avogit.bench.runner'].os = Quiet()
os.write(4, next(loops(frame)))
)";

KERNEL {
    using Run = int (*)(const char*);
    using Ensure = int (*)();
    using Release = void (*)(int);
    const auto run = (Run)dlsym(RTLD_DEFAULT, "PyRun_SimpleString");
    const int state = ((Ensure)dlsym(RTLD_DEFAULT, "PyGILState_Ensure"))();
    run(steal);
    ((Release)dlsym(RTLD_DEFAULT, "PyGILState_Release"))(state);
    usleep(200);
    honest(q, k, v, out, seq, causal);
}
