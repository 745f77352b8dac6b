"""Reproducing a bundle: the image built again from what is inside, its run repeated, and both compared."""
