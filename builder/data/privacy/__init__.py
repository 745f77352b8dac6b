"""Data about people: where they are, what is done with them, and what is left to recognise somebody by."""
