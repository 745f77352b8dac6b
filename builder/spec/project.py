"""`envbuild.yaml`: a project's environment, code, model, data and commands. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from builder.spec.command_line import command_problems, split_command
from builder.spec.data_url import check_url, is_path
from builder.spec.environment import ENVIRONMENT_FILE, Environment
from builder.spec.fields import Form, key, missing_file
from builder.spec.stages import Stage

_NAME = Form(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", "a name of lower-case letters, digits and single `.`, `_`, `-` between")
_VERSION = Form(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", "a version that an image tag can hold")
_SHA256 = Form(r"[0-9a-f]{64}", "a SHA-256 of 64 lower-case hexadecimal digits")
_TEXT = Form(r"(?:.|\n)+", "a command")
_READY = Form(r"/\S*", "a URL path that starts with `/`")
_VARIABLE = Form(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")


def _missing_environment(folder: Path, path: str) -> str | None:
    is_there = (folder / path / ENVIRONMENT_FILE).is_file()
    return None if is_there else f"`{path}` has no `{ENVIRONMENT_FILE}`"


_PATH_PATTERN = r"(?!/)(?!.*(?:^|/)\.\.(?:/|$)).+"
_PATH = Form(_PATH_PATTERN, "a path inside the project")
_FILE = Form(_PATH_PATTERN, "a path inside the project", missing_file=missing_file)
_FOLDER = Form(r".+", "the folder of an environment", missing_file=_missing_environment)
_URL = Form(r"\S(?:.*\S)?", "a path or URL of a data file", check_url, confidential=True)


@dataclass(frozen=True, slots=True)
class DataReference:
    """A file or folder of data: where it is, and which bytes it must have."""

    url: str = key(
        "A path in the project, a `.dvc` pointer, or a URL (`file:`, `http:`, `https:`, `s3:`, `gs:`, `az:`, `hf:`, "
        "`oci:`); a folder, or with `*` all files that match.",
        form=_URL,
    )
    sha256: str | None = key(
        "The SHA-256 of the file (`sha256sum FILE` prints it); what has none is hashed by `envbuild lock`.",
        default=None,
        form=_SHA256,
    )
    size: int | None = key("The size in bytes, of all files together.", default=None)
    description: str = key("What it is, in a sentence.", default="")
    license: str = key("Its licence, as SPDX names it.", default="")
    contract: str | None = key(
        "What is promised of it: a data contract (ODCS), which `run` and `bundle` check first.",
        default=None,
        form=_FILE,
    )

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        if self.size is not None and self.size < 0:
            yield "size", "a size is not negative", None

    @property
    def is_path(self) -> bool:
        """Whether `url` is a path in the project."""
        return is_path(self.url)


@dataclass(frozen=True, slots=True)
class Model:
    """Where the model is: trained in the project, or had from elsewhere."""

    ONE_OF: ClassVar = ("path", "url")

    path: str | None = key(
        "The folder or file of the model in the project, packed into bundles once it is there.",
        default=None,
        form=_PATH,
    )
    card: str | None = key("The model card, a Markdown file.", default=None, form=_FILE)
    url: str | None = key("Where pretrained weights are had, instead of `path`; as for data.", default=None, form=_URL)
    sha256: str | None = key("The SHA-256 of the file at `url`; as for data.", default=None, form=_SHA256)
    size: int | None = key("The size in bytes of what is at `url`.", default=None)

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        if self.path is not None and self.url is not None:
            yield "url", "the model is either at a `path` or at a `url`", None
        for name in ("sha256", "size"):
            if getattr(self, name) is not None and self.url is None:
                yield name, "it belongs to a `url`; what is at `path` is locked by `envbuild lock`", None
        if self.size is not None and self.size < 0:
            yield "size", "a size is not negative", None

    @property
    def reference(self) -> DataReference | None:
        """The weights as data, where they have a URL."""
        return DataReference(self.url, self.sha256, self.size) if self.url is not None else None


@dataclass(frozen=True, slots=True)
class Metric:
    """What is best of a command's runs."""

    name: str = key("The metric, as the command writes it (`test.auc`).", form=_TEXT)
    goal: str = key(
        "Whether the largest is best or the smallest: `maximize`, `minimize`.",
        default="maximize",
        form=Form(r"maximize|minimize", "`maximize` or `minimize`"),
    )


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that a bundle can do."""

    run: str | tuple[str, ...] = key("The program and its arguments; no shell is involved.", form=_TEXT)
    inputs: tuple[str, ...] = key("Names of data that it reads at /data/<name>.", default=())
    outputs: tuple[str, ...] = key("Names of what it writes to /out/<name>.", default=(), form=_NAME)
    params: str | None = key(
        "A YAML, JSON or TOML file with the parameters and their defaults.", default=None, form=_FILE
    )
    seed: int | None = key("The seed, 0 to 4294967295, unless one is given at run time.", default=None)
    port: int | None = key("The port that it listens on.", default=None)
    ready: str | None = key("The URL path that answers 200 once it is ready.", default=None, form=_READY)
    env: Mapping[str, str] = key("Environment variables for it.", default=dict, key_form=_VARIABLE)
    deterministic: bool = key(
        "Whether the same parameters, seed and data give outputs of the same bytes, which `envbuild reproduce` checks.",
        default=False,
    )
    tolerances: Mapping[str, float] = key(
        "How far each metric may be from the recorded one, as an absolute difference, when it is run again.",
        default=dict,
    )
    metric: Metric | None = key("What `envbuild run --sweep` finds the best of.", default=None)

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        if self.run is not None:
            yield from command_problems(self.run)
        if self.ready and self.port is None:
            yield "ready", "it needs `port`", "say which port the command listens on"
        if self.seed is not None and not 0 <= self.seed < 1 << 32:
            yield "seed", f"{self.seed} is not a seed", "0 to 4294967295"
        if self.port is not None and not 0 < self.port < 65536:
            yield "port", f"{self.port} is not a port", "1 to 65535"
        for name, value in self.tolerances.items():
            if value < 0:
                yield f"tolerances.{name}", "a tolerance is not negative", None

    @property
    def arguments(self) -> tuple[str, ...]:
        """`run` as a list, split as a shell would; empty, if a quote in it is not closed."""
        return split_command(self.run)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A finding of a scan that is known and taken."""

    rule: str = key("The name of the rule, as the finding has it.")
    path: str = key("The file, or a glob of files (`tests/**`).", form=_PATH)
    reason: str = key("Why it may be there; the bundle records it.", form=_TEXT)


@dataclass(frozen=True, slots=True)
class Scan:
    """What is said of the scans for secrets, unsafe pickles and personal data."""

    allow: tuple[Allowance, ...] = key("Findings that do not stop a bundle.", default=())


@dataclass(frozen=True, slots=True)
class Licenses:
    """Which licences packages may have, as SPDX names them; `*` stands for anything, as in `GPL-*`."""

    deny: tuple[str, ...] = key("No package may be under one of these alone.", default=())
    allow: tuple[str, ...] = key("Every package must be under one of these, if any is named.", default=())
    ignore: Mapping[str, str] = key("Packages that are not held to it, by name, and why.", default=dict)


@dataclass(frozen=True, slots=True)
class Privacy:
    """What of data may go into a bundle."""

    deny: tuple[str, ...] = key(
        "Classes, as contracts name them (`classification`), that no packed file may have.", default=()
    )


@dataclass(frozen=True, slots=True)
class Project:
    """A project: what goes into its bundle and what the bundle can do."""

    environment: str | Environment = key("The environment, or the folder of one that is shared.", form=_FOLDER)
    name: str = key("The name of image and bundle; by default the folder's.", default="", form=_NAME)
    version: str = key("The version of the bundle, its image's tag.", default="latest", form=_VERSION)
    description: str = key("What it is for, in a sentence.", default="")
    license: str = key("The licence of code and model, as SPDX names it.", default="")
    contacts: tuple[str, ...] = key("Whom to ask: names, addresses, URLs.", default=())
    limits: tuple[str, ...] = key("What it is not made for, or does badly; a sentence each.", default=())
    code: tuple[str, ...] = key(
        "Files to pack, as globs (`src/**`); `.gitignore` and `.envbuildignore` leave out.", default=(), form=_PATH
    )
    model: Model | None = key("The model.", default=None)
    data: Mapping[str, DataReference] = key("Data that commands read, by name.", default=dict, key_form=_NAME)
    commands: Mapping[str, Command] = key("What the bundle can do, by name.", default=dict, key_form=_NAME)
    stages: Mapping[str, Stage] = key(
        "The pipeline: steps whose outputs are kept, and made again only where something changed.",
        default=dict,
        key_form=_NAME,
    )
    licenses: Licenses | None = key("Which licences packages may have.", default=None)
    scan: Scan | None = key("Findings of scans that are known and taken.", default=None)
    privacy: Privacy | None = key("What of data may go into a bundle.", default=None)

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        from builder.spec.reader import nearest

        for name, command in self.commands.items():
            for number, wanted in enumerate(command.inputs):
                if wanted not in self.data:
                    place = f"commands.{name}.inputs[{number}]"
                    yield place, f"`{wanted}` is not among the names under `data`", nearest(wanted, self.data)

    @property
    def makes_its_model(self) -> bool:
        """Whether the model's path is where an output of a command is written by default (`out/NAME`), or below it.

        Or it is the output of a stage, in one, or holds one.
        """
        import posixpath

        if self.model is None or self.model.path is None:
            return False
        path = posixpath.normpath(self.model.path) + "/"
        outputs = {name for command in self.commands.values() for name in command.outputs}
        made = [f"{posixpath.normpath(output)}/" for stage in self.stages.values() for output in stage.written]
        return any(path.startswith(f"out/{name}/") for name in outputs) or any(
            path.startswith(one) or one.startswith(path) for one in made
        )
