"""Running images: one interface, and an engine a file."""
