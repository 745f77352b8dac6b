"""Registries of images (OCI distribution-spec 1.1): what is read from them, and as whom.

`reference` names an image, `credentials` finds a login, `challenge` and `session` carry it, `client` reads manifests
and blobs. Connections are handed in.
"""

from builder.oci.registry.client import BlobStream, Document, Registries
from builder.oci.registry.credentials import Credentials
from builder.oci.registry.reference import Reference

__all__ = ["BlobStream", "Credentials", "Document", "Reference", "Registries"]
