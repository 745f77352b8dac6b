"""envbuild: one lock, one image digest, one bundle that trains and serves anywhere."""

__version__ = "0.1.0"
