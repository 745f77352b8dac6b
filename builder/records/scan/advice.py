"""What to do about a finding, by its rule. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from builder.records.scan.personal_rules import PERSONAL_RULES
from builder.records.scan.secret_rules import SECRET_RULES

_REVOKE = (
    "Take it out and revoke it: whoever had the file may have it; have it given by an environment variable at run time"
)
_FILE = "Leave the file out, with a line in `.envbuildignore`"
_PERSONAL = "Leave the column out or put stand-ins in its place; a sample need not name anybody"
_OTHERS = {
    "generic-secret": (_REVOKE, "a value that looks random, given to a name like `password`, `token`, `api_key`"),
    "git-folder": (_FILE, "a part of a git repository"),
    "key-file": (_FILE, "a private key, or a store of keys or passwords, by its name"),
    "history-file": (_FILE, "a history of a shell, an interpreter or a database client"),
    "login-file": (_FILE, "a file that by its name holds logins"),
    "env-file": (_FILE, "a `.env` with values"),
    "pickle-dangerous-import": (
        "Do not load it. Save the model anew as Safetensors, ONNX or skops, which run nothing",
        "a pickle that imports what runs programs, opens files or connections, or loads code",
    ),
    "pickle-hidden-import": (
        "Do not load it: no library writes imports like this", "a pickle that computes the name of what it imports",
    ),
    "pickle-unknown-import": (
        "If you know that it is harmless, allow it; or save the model as Safetensors, ONNX or skops",
        "a pickle that imports what is neither known to be safe nor to be dangerous",
    ),
    "pickle-own-import": (
        "Nothing, if the code that is packed has it", "a pickle that imports something of the project's own code",
    ),
    "pickle-unreadable": (
        "Save it anew; a file that cannot be followed may do anything",
        "a pickle or an archive of some that is damaged or too large",
    ),
    "keras-lambda": (
        "Write the layer as a class that is packed as code, and save the model again",
        "a model of Keras with functions as bytecode",
    ),
}  # fmt: skip


def advice(rule: str) -> str:
    """What to do about a finding of a rule."""
    if rule in _OTHERS:
        return _OTHERS[rule][0]
    return _PERSONAL if rule.startswith("personal-") else _REVOKE


def all_rules() -> Iterator[tuple[str, str]]:
    """Every rule and what it finds, sorted, each once."""
    found = {name: what for name, (_, what) in _OTHERS.items()}
    found |= {f"personal-{rule.name}": rule.what for rule in PERSONAL_RULES}
    for rule in SECRET_RULES:
        found.setdefault(rule.name, rule.what)
    yield from sorted(found.items())
