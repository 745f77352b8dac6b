"""Files that by their names are for one person or one machine: keys, logins, histories, repositories. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from builder.records.scan.finding import Finding
from builder.records.scan.likeness import is_stand_in

_STORES = {"p12": "a store of keys", "pfx": "a store of keys", "jks": "a store of keys", "keystore": "a store of keys",
           "kdbx": "a store of passwords", "keychain": "a store of passwords", "agekey": "a secret key"}  # fmt: skip
_KEYS = re.compile(r"id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?")
_HISTORIES = frozenset(
    (
        ".bash_history",
        ".zsh_history",
        ".python_history",
        ".psql_history",
        ".mysql_history",
        ".sqlite_history",
        ".Rhistory",
    )
)
_LOGINS = frozenset(
    (".pgpass", ".my.cnf", ".s3cfg", ".boto", "kaggle.json", ".git-credentials", ".htpasswd", "terraform.tfstate")
)
_EXAMPLES = ("example", "sample", "template", "dist", "defaults", "schema", "tpl")
_SETTING = re.compile(
    rb"(?m)^[ \t]{0,8}(?:export[ \t]{1,4})?[A-Za-z_][A-Za-z0-9_.]{0,100}[ \t]{0,4}=[ \t]{0,4}([^\r\n]{1,500})"
)


def found_by_name(path: str, head: bytes) -> Iterator[Finding]:
    """What a file's path says, and how it begins."""
    name = posixpath.basename(path)
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    if "/.git/" in f"/{path}":
        yield Finding("git-folder", "high", "a part of a git repository, with all that was ever committed")
    if suffix in _STORES:
        yield Finding("key-file", "high", _STORES[suffix])
    elif _KEYS.fullmatch(name) and head.strip():
        yield Finding("key-file", "high", "a private key of SSH, by its name")
    elif name in _HISTORIES and head.strip():
        yield Finding("history-file", "medium", "what somebody typed")
    elif name in _LOGINS and head.strip():
        yield Finding("login-file", "high", "logins, by its name")
    elif _is_environment(name) and _has_values(head):
        yield Finding("env-file", "medium", "settings of one machine, with values")


def _is_environment(name: str) -> bool:
    is_named = name == ".env" or name.startswith(".env.") or (name.endswith(".env") and len(name) > 4)
    return is_named and not any(word in name.lower().split(".") for word in _EXAMPLES)


def _has_values(head: bytes) -> bool:
    """Whether a name is given something that is no stand-in, a number or a switch."""
    for match in _SETTING.finditer(head):
        value = match[1].partition(b" #")[0].strip().strip(b"\"'")
        if (
            len(value) > 5
            and not is_stand_in(value)
            and not re.fullmatch(rb"[0-9.]+|true|false|production|development", value)
        ):
            return True
    return False
