"""Images: layers and a config put together under one digest."""
