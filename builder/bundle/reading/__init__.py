"""Reading a bundle that came from anywhere: its documents, its files, what it would fetch, how another differs."""
