"""Sweeps: one command for many values of its parameters and seeds, each an ordinary run, and what came of all."""
