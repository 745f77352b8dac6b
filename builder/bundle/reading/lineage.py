"""The lineage inside of a bundle: what its images hold, and how its model was made."""

from __future__ import annotations

from typing import Any

from builder.bundle.reading.reader import Bundle, document_file, read_document
from builder.lineage.portable import LINEAGE_FILE, activities_of, read_lineage
from builder.lineage.sources import bundle_activity, of_bundle
from builder.lineage.things import Activity


def lineage_in(bundle: Bundle) -> dict[str, Any] | None:
    """The document; None where there is none. Raises: EnvbuildError, if it is damaged."""
    image = bundle.images[min(bundle.images)]
    data = document_file(bundle.layout, image, LINEAGE_FILE)
    return None if data is None else read_lineage(data, f"`{LINEAGE_FILE}` of the bundle")


def activities_in(bundle: Bundle) -> list[Activity]:
    """The bundle, its images, and what was done for its model. Raises: EnvbuildError, if its documents are damaged."""
    images = {str(platform): str(image.descriptor.digest) for platform, image in bundle.images.items()}
    found = [bundle_activity(bundle.name, str(bundle.top.digest), images)]
    found += [
        of_bundle(read_document(bundle.layout, image), str(image.descriptor.digest), bundle.name)
        for image in bundle.images.values()
    ]
    document = lineage_in(bundle)
    if document is not None:
        found += activities_of(document, bundle.name.partition(":")[0])
    return found
