"""Where the documents of a bundle are in its image, and what their layers are called: for those who write and read."""

from __future__ import annotations

from builder.image.skeleton import BUNDLE
from builder.lock.data.document import DATA_LOCK_FILE

BUNDLE_FORMAT = 1
BUNDLE_FILE = f"{BUNDLE}/bundle.json"
DATA_LOCK_PATH = f"{BUNDLE}/{DATA_LOCK_FILE}"
LOCK_PREFIX = f"{BUNDLE}/lock/"
"""What the paths of the lock's files begin with."""
DOCUMENTS_LAYER = "bundle documents"
"""The history entry of the layer that holds the documents."""
LICENSES_LAYER = "licences"
"""The history entry of the layer that holds them: it stays as it is while code and other documents change."""
