"""Registries of images (OCI distribution-spec 1.1): what is read from them, and as whom.

`reference` names an image, `credentials` finds a login, `challenge` and `session` carry it, `client` reads manifests
and blobs. Connections are handed in.
What asks them is imported when it is asked for: a reference is only a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from builder.oci.registry.reference import Reference

if TYPE_CHECKING:
    from builder.oci.registry.client import BlobStream, Document, Registries
    from builder.oci.registry.credentials import Credentials

__all__ = ["BlobStream", "Credentials", "Document", "Reference", "Registries"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    places = {"BlobStream": "client", "Credentials": "credentials", "Document": "client", "Registries": "client"}
    if name not in places:
        raise AttributeError(f"module `builder.oci.registry` has no `{name}`")
    return getattr(import_module(f"builder.oci.registry.{places[name]}"), name)
