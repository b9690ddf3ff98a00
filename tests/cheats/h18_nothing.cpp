// H18: does nothing, and hopes that the right answer lies there from before.
// expect: INCORRECT_NUMERICAL untouched-output
// without poison: INCORRECT_NUMERICAL *
#include "honest.h"

KERNEL {}
