"""One verb a file: typed arguments in, a frozen result out. None of them prints."""
