"""avogit: evolve GPU kernels inside a git repository. Importing it does nothing."""

__version__ = "0.1.0"
