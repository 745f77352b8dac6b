"""The tools that a lock is made with, from what this machine has."""

from __future__ import annotations

import functools
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from builder.cli.machine import machine_variables, make_registries
from builder.cli.output import Output
from builder.cli.wheels import wheel_builder
from builder.fetch import Fetcher
from builder.image.workshop import Workshop
from builder.lock.wish import Tools
from builder.progress import Silent

if TYPE_CHECKING:
    from builder.lock.base_image.registry_images import RegistryImages


def make_tools(fetcher: Fetcher, output: Output) -> Tools:
    """All that reaches out of this process while locking."""
    from builder.lock.conda.solver import CondaSolver
    from builder.lock.debian.archive import Archives
    from builder.lock.programs import uv_program
    from builder.lock.pypi.once import Once
    from builder.lock.pypi.pip_tools import Host, PipToolsResolver
    from builder.lock.pypi.pytorch import PyTorchResolver
    from builder.lock.pypi.uv import UvResolver
    from builder.lock.standalone import StandaloneInterpreters

    variables = machine_variables()
    registries = functools.partial(make_registries, fetcher)
    workshop = Workshop(fetcher.store, fetcher, os.cpu_count() or 1, output.progress() or Silent(), registries)
    uv = UvResolver(variables, uv_program(), fetcher, Once[str, None](lambda text: output.say(f"warning: {text}")))
    return Tools(
        debian=Archives(fetcher, datetime.now(UTC), records=fetcher.store),
        python={
            "uv": PyTorchResolver(uv, fetcher),
            "pip-tools": PyTorchResolver(PipToolsResolver(variables, fetcher, Host.this(), uv), fetcher),
        },
        conda=CondaSolver(os.environ, fetcher),
        image=make_images(fetcher, output),
        standalone=StandaloneInterpreters(),
        build=wheel_builder(workshop, output),
        say=output.say,
    )


def make_images(fetcher: Fetcher, output: Output) -> RegistryImages:
    """What reads images of registries, with the logins of this machine."""
    from builder.lock.base_image.registry_images import RegistryImages

    return RegistryImages(make_registries(fetcher), fetcher.store, output.progress())
