"""The Dockerfile builder's input: a build context with a Dockerfile, made from a lock, which Docker alone can build.

    context = render(name, plans, project, base)    # pure: the texts, and which locked files belong beside them
    write_context(folder, context, fetcher.blobs(context.sources))

`words` makes text safe for Dockerfiles, `packages` says which locked files go where, `tools` pins what installs them.
Nothing that the native builder makes is in a context, and building it needs no network.
"""

from __future__ import annotations

from builder.image.dockerfile.context import Addition, Context, Vendored
from builder.image.dockerfile.render import render
from builder.image.dockerfile.write import write_context

__all__ = ["Addition", "Context", "Vendored", "render", "write_context"]
