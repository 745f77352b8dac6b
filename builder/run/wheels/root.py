"""The root that wheels are built in: an environment image like any other, whose packages are the build requirements.

So it is made by the same builder of the same kept layers, and its plan names it by everything that is in it.
"""

from __future__ import annotations

from builder.image.build import build_environment
from builder.image.workshop import Workshop
from builder.layers.interface import LAYER_FORMAT
from builder.lock.artifact import Wheel
from builder.lock.document import DEFAULT_CREATED, Lock, LockDocument, PlatformLock
from builder.lock.interface import BuildRoot
from builder.oci.digest import Digest
from builder.plan import Plan, make_plan
from builder.run.interface import LocalImage

_NOWHERE = Digest.of(b"")
"""The lock of a root is never written."""


def root_plan(root: BuildRoot, requirements: tuple[Wheel, ...]) -> Plan:
    """The plan of the root with these requirements installed.

    Raises: EnvbuildError, if no image can be made of it.
    """
    platform = root.target.platform
    locked = PlatformLock(root.suite, root.interpreter, root.debian, "", _NOWHERE, image=root.image)
    spec = {"pypi": {"indexes": [{"name": name, "url": url} for name, url in root.indexes]}}
    document = LockDocument(spec, {}, LAYER_FORMAT, DEFAULT_CREATED, {platform: locked})
    wheels = {platform: tuple(sorted(requirements))}
    return make_plan(Lock(document, _NOWHERE, wheels, {platform: root.conda}, {}), platform)


def root_image(plan: Plan, workshop: Workshop, name: str) -> LocalImage:
    """The root, whole in the store; `name` is what it is called in messages."""
    image = LocalImage.of(build_environment(plan, workshop), name, workshop)
    image.bring(image.manifest.layers)  # it is run by a process that can ask no registry
    return image
