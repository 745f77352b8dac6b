"""A stage that uses a module, held to what the module takes and gives; and the step that comes of both. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from builder.errors import EnvbuildError
from builder.layers.files import check_path
from builder.lock.modules import Interface
from builder.pipeline.graph import normal
from builder.pipeline.modules.read import LoadedModule
from builder.pipeline.stage import Port
from builder.pipeline.step import Report
from builder.spec import LoadedProject
from builder.spec.fields import missing_file
from builder.spec.module import ModuleParameter
from builder.spec.reader import nearest
from builder.spec.stages import Resources, Stage

_APP = "/app"


def check_use(stage: Stage, interface: Interface, report: Report) -> None:
    """Report whatever a stage gives that the module does not take, and what it needs and is not given."""
    _check_names("inputs", stage.inputs, interface["inputs"], report)
    _check_names("outputs", stage.outputs, interface["outputs"], report)
    _check_parameters(stage.params, interface["params"], report)
    if stage.metrics:
        report("metrics", "a module itself says which of its outputs are metrics", "map them in `outputs`")
    if stage.code is not None:
        report("code", "the code is the module's", "leave it out")
    ports = {*interface["inputs"], *interface["outputs"]}
    for name in sorted(stage.contracts.keys() - ports):
        report(f"contracts.{name}", f"`{name}` is neither an input nor an output of the module", nearest(name, ports))


def stage_in_force(stage: Stage, module: LoadedModule) -> Stage:
    """The stage with what the module says, where it says nothing itself."""
    document = module.document
    return replace(
        stage,
        run=document.run,
        code=document.code,
        env={**document.env, **stage.env},
        resources=stage.resources if stage.resources != Resources() else document.resources,
        deterministic=stage.deterministic or document.deterministic,
        tolerances={**document.tolerances, **stage.tolerances},
        owner=stage.owner or document.owner,
        why=stage.why or document.why,
    )


def parameter_values(stage: Stage, module: LoadedModule) -> dict[str, Any]:
    """The values of all parameters that are given or have a default."""
    defaults = {name: one.default for name, one in module.document.params.items() if one.default is not None}
    return {**defaults, **(stage.params if isinstance(stage.params, Mapping) else {})}


def ports_of(group: str, stage: Stage, module: LoadedModule, loaded: LoadedProject, report: Report) -> Iterator[Port]:
    """The ports of a stage's `inputs` or `outputs`, in the module's order; what is no path is reported."""
    given = getattr(stage, group)
    if not isinstance(given, Mapping):
        return
    data = loaded.project.data if group == "inputs" else {}
    for name, declared in getattr(module.document, group).items():
        if name not in given:
            continue
        path = given[name] if given[name] in data else normal(given[name])
        try:
            check_path(path)
        except EnvbuildError as error:
            report(f"{group}.{name}", error.what, "; ".join(error.why) or None)
            continue
        contract = module.root / declared.contract if declared.contract else None
        if name in stage.contracts:
            contract = loaded.folder / stage.contracts[name]
            missing = missing_file(loaded.folder, stage.contracts[name])
            if missing:
                report(f"contracts.{name}", missing, None)
        target = f"{_APP}/{normal(declared.path)}"
        yield Port(name, path, target, "data" if path in data else "project", contract)


def _check_names(
    group: str,
    given: tuple[str, ...] | Mapping[str, str],
    declared: Mapping[str, Mapping[str, Any]],
    report: Report,
) -> None:
    word = group[:-1]
    if not isinstance(given, Mapping):
        if given:
            report(group, f"a module names its {group}: a mapping is expected, of its names to paths", _known(declared))
            return
        given = {}
    for name in given:
        if name not in declared:
            report(f"{group}.{name}", f"the module has no {word} `{name}`", nearest(name, declared) or _known(declared))
    for name, port in declared.items():
        if name not in given and not port.get("optional"):
            report(group, f"the {word} `{name}` of the module is missing", None)


def _check_parameters(
    given: str | Mapping[str, Any], declared: Mapping[str, Mapping[str, Any]], report: Report
) -> None:
    if isinstance(given, str):
        report("params", "a module takes values, not a file: a mapping is expected, of its parameters to values", None)
        return
    for name, value in given.items():
        if name not in declared:
            hint = nearest(name, declared) or _known(declared)
            report(f"params.{name}", f"the module has no parameter `{name}`", hint)
            continue
        refused = parameter_of(declared[name]).refusal(value)
        if refused:
            report(f"params.{name}", refused, None)
    for name, one in declared.items():
        if one.get("required") and name not in given:
            report("params", f"the parameter `{name}` of the module is missing", f"its type is `{one['type']}`")


def parameter_of(declared: Mapping[str, Any]) -> ModuleParameter:
    """A parameter as the interface has it."""
    return ModuleParameter(
        declared["type"],
        minimum=declared.get("minimum"),
        maximum=declared.get("maximum"),
        values=tuple(declared.get("values", ())),
    )


def _known(declared: Mapping[str, Any]) -> str | None:
    return "it has " + ", ".join(f"`{name}`" for name in declared) if declared else "it has none"
