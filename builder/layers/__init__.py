"""Layers from locked files: wheels are spliced, debs and own files are re-encoded by a pinned encoder."""
