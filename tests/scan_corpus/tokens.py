"""Secrets of every kind, in every kind of text."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable, Iterator

from scan_corpus.planted import Planted

LETTERS, DIGITS, HEX = string.ascii_letters, string.digits, "0123456789abcdef"
MIXED = LETTERS + DIGITS


class Dice:
    """Random text that is the same each time."""

    def __init__(self, name: str) -> None:
        self._random = random.Random(name)

    def some(self, length: int, alphabet: str = MIXED) -> str:
        return "".join(self._random.choice(alphabet) for _ in range(length))


def url_safe(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def token_makers() -> dict[str, list[Callable[[Dice], str]]]:
    """By rule, what makes a token that is known by its form alone."""
    upper = string.ascii_uppercase + DIGITS
    return {
        "aws-access-key": [lambda d: "AK" + "IA" + d.some(16, string.ascii_uppercase + "234567")],
        "gcp-api-key": [lambda d: "AI" + "za" + d.some(35, MIXED + "_-")],
        "gcp-oauth-secret": [lambda d: "GOC" + "SPX-" + d.some(28)],
        "github-token": [
            lambda d: "gh" + "p_" + d.some(36),
            lambda d: "gh" + "s_" + d.some(36),
            lambda d: "github" + "_pat_" + d.some(22) + "_" + d.some(59),
        ],
        "gitlab-token": [lambda d: "gl" + "pat-" + d.some(20)],
        "slack-token": [lambda d: "xo" + "xb-" + d.some(12, DIGITS) + "-" + d.some(13, DIGITS) + "-" + d.some(24)],
        "slack-webhook": [
            lambda d: (
                "https://hooks.slack.com/services/T" + d.some(10, upper) + "/B" + d.some(10, upper) + "/" + d.some(24)
            )
        ],
        "discord-webhook": [lambda d: "https://discord" + ".com/api/webhooks/" + d.some(18, DIGITS) + "/" + d.some(68)],
        "stripe-key": [lambda d: "sk" + "_live_" + d.some(24), lambda d: "rk" + "_test_" + d.some(32)],
        "anthropic-key": [lambda d: "sk" + "-ant-" + "api03-" + d.some(95, MIXED + "_-")],
        "openai-key": [
            lambda d: "sk" + "-" + d.some(20) + "T3Blbk" + "FJ" + d.some(20),
            lambda d: "sk" + "-proj-" + d.some(100, MIXED + "_-"),
        ],
        "huggingface-token": [lambda d: "h" + "f_" + d.some(34, LETTERS)],
        "replicate-token": [lambda d: "r" + "8_" + d.some(37)],
        "groq-key": [lambda d: "gs" + "k_" + d.some(52)],
        "databricks-token": [lambda d: "da" + "pi" + d.some(32, HEX)],
        "pypi-token": [lambda d: "py" + "pi-Ag" + "EIcHlwaS5vcmc" + d.some(150, MIXED + "_-")],
        "npm-token": [lambda d: "np" + "m_" + d.some(36)],
        "docker-token": [lambda d: "dckr" + "_pat_" + d.some(27)],
        "digitalocean-token": [lambda d: "do" + "p_v1_" + d.some(64, HEX)],
        "sendgrid-key": [lambda d: "S" + "G." + d.some(22) + "." + d.some(43)],
        "shopify-token": [lambda d: "shp" + "at_" + d.some(32, HEX)],
        "vault-token": [lambda d: "hv" + "s." + d.some(90)],
        "telegram-token": [lambda d: d.some(9, "123456789") + ":" + "AA" + d.some(33)],
        "json-web-token": [
            lambda d: ".".join(
                (url_safe(b'{"alg":"HS256"}'), url_safe(b'{"sub":"%s"}' % d.some(9).encode()), d.some(43))
            )
        ],
        "azure-storage-key": [lambda d: "AccountName=team;Account" + "Key=" + d.some(86, MIXED + "+/") + "=="],
        "azure-sas": [
            lambda d: (
                "https://team.blob.core.windows.net/x?sv=2024-11-04&ss=b&se=2030-01-01&si" + "g=" + d.some(43) + "%3D"
            )
        ],
        "azure-client-secret": [lambda d: d.some(3) + "8" + "Q~" + d.some(34, MIXED + "_-~.")],
        "database-url": [lambda d: "postgresql://app:" + d.some(16) + "@db.corp.net:5432/prod"],
        "basic-auth-url": [lambda d: "https://bot:" + d.some(20) + "@pypi.corp.net/simple"],
        "private-key": [lambda d: "AGE-SECRET" + "-KEY-1" + d.some(58, upper)],
    }


def contexts(name: str, token: str) -> Iterator[tuple[str, str, bytes]]:
    """Kind, path and bytes of files of several kinds that have the token in them."""
    yield "secrets", f"src/{name}.py", f'"""A module."""\n\nimport os\n\nCLIENT = connect("{token}")\n'.encode()
    yield "secrets", f"conf/{name}.yaml", f"service:\n  retries: 3\n  value: {token}\n".encode()
    yield "secrets", f"conf/{name}.json", json.dumps({"retries": 3, "value": token}, indent=2).encode()
    yield "secrets", f"docs/{name}.md", f"# How to\n\n```sh\ncurl -H 'X: {token}' https://service\n```\n".encode()
    yield "secrets", f"wide/{name}.txt", f"\ufeffvalue: {token}\r\n".encode("utf-16-le")
    padding = b"x = 1\n" * 174_760  # the token lies across the border of two blocks
    yield "secrets", f"large/{name}.txt", padding[: (1 << 20) - 20] + b"\nv " + token.encode() + b" \n" + padding[:9000]
    yield "secrets", f"bin/{name}.dat", bytes(range(256)) * 4 + b"\0" + token.encode() + b"\0" + bytes(range(256))
    cells = [
        {"cell_type": "markdown", "source": ["# Notes\n"]},
        {
            "cell_type": "code",
            "source": "1 + 1",
            "outputs": [{"output_type": "stream", "text": ["ok\n", f"{token}\n"]}],
        },
    ]
    yield "notebooks", f"nb/{name}.ipynb", json.dumps({"cells": cells, "nbformat": 4}).encode()


def pem(kind: str, dice: Dice) -> str:
    body = "\n".join(dice.some(64, MIXED + "+/") for _ in range(12))
    return f"-----BEGIN {kind}PRIVATE" + f" KEY-----\n{body}\n-----END {kind}PRIVATE" + " KEY-----\n"


def assignments() -> Iterator[tuple[str, bytes, str, str]]:
    """Path, bytes, rule and secret of values that are known by what they are given to."""
    d = Dice("assignments")
    for number in range(6):
        value = d.some(24) + "7a"
        name = ("password", "API_KEY", "client_secret", "authToken", "db_passwd", "SECRET_KEY")[number]
        yield f"a/{number}.py", f'{name} = "{value}"\n'.encode(), "generic-secret", value
        yield f"a/{number}.yaml", f"app:\n  {name}: {value}\n".encode(), "generic-secret", value
        yield f"a/{number}.toml", f'{name} = "{value}"\n'.encode(), "generic-secret", value
        yield f"a/{number}.ini", f"[a]\n{name} = {value}\n".encode(), "generic-secret", value
        yield f"a/{number}.js", f"const config = {{ {name}: '{value}' }};\n".encode(), "generic-secret", value
        yield f"a/{number}.json", json.dumps({name: value}).encode(), "generic-secret", value
        yield f"a/{number}.sh", f"export {name}={value}\n".encode(), "generic-secret", value
    value = d.some(40, MIXED + "/+")
    for path, text in (
        ("aws/credentials", f"[default]\naws_secret_access_key = {value}\n"),
        ("aws/boto.py", f'session(aws_secret_access_key="{value}")\n'),
        ("aws/env.sh", f"export AWS_SECRET_ACCESS_KEY={value}\n"),
        ("aws/c.json", json.dumps({"SecretAccessKey": value})),
    ):
        yield path, text.encode(), "aws-secret-key", value


def tokens() -> Iterator[Planted]:
    for rule, makers in token_makers().items():
        for number, make in enumerate(makers):
            token = make(Dice(f"{rule}{number}"))
            for kind, path, data in contexts(f"{rule}-{number}", token):
                yield Planted(kind, path, data, rule, secret=token)
    for path, data, rule, secret in assignments():
        yield Planted("secrets", path, data, rule, secret=secret)
    yield from _keys()
    yield from _files()


def _keys() -> Iterator[Planted]:
    for number, kind in enumerate(("", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED ")):
        text = pem(kind, Dice(f"key{number}"))
        yield Planted("secrets", f"keys/{number}.pem", text.encode(), "private-key")
        yield Planted("secrets", f"keys/{number}.py", f"KEY = {text!r}\n".encode(), "private-key")
        yield Planted("secrets", f"keys/{number}.json", json.dumps({"key": text}).encode(), "private-key")
        indented = "key: |\n" + "".join(f"  {line}\n" for line in text.splitlines())
        yield Planted("secrets", f"keys/{number}.yaml", indented.encode(), "private-key")
    d = Dice("pgp")
    block = "PGP PRIVATE" + " KEY BLOCK"
    text = f"-----BEGIN {block}-----\n\n{d.some(64)}\n{d.some(64)}\n-----END {block}-----\n"
    yield Planted("secrets", "keys/me.asc", text.encode(), "private-key")
    head = "PuTTY-User" + "-Key-File-3: ssh-ed25519\nEncryption: none\nComment: me\n"
    putty = f"{head}Public-Lines: 2\n{d.some(64)}\n{d.some(20)}\nPrivate-Lines: 1\n{d.some(48)}\n"
    yield Planted("secrets", "keys/me.ppk", putty.encode(), "private-key")
    account = {"type": "service_account", "private_key_id": d.some(40, HEX), "private_key": pem("", d)}
    yield Planted("secrets", "keys/account.json", json.dumps(account).encode(), "gcp-service-account")


def _files() -> Iterator[Planted]:
    d = Dice("files")
    login = base64.b64encode(f"bot:{d.some(20)}".encode()).decode()
    kube = (
        f"apiVersion: v1\nkind: Config\nusers:\n- name: me\n  user:\n    client-key-data: {d.some(400, MIXED + '+/')}\n"
    )
    for path, text, rule in (
        (".env", f"HOST=db.corp.net\nDB_LOGIN={d.some(20)}\n", "env-file"),
        ("deploy/.env.production", f"SENTRY={d.some(30)}\n", "env-file"),
        ("deploy/prod.env", f"export X={d.some(30)}\n", "env-file"),
        (".netrc", f"machine git.corp.net login bot password {d.some(20)}\n", "netrc-login"),
        ("_netrc", f"machine git.corp.net\n  login bot\n  password {d.some(20)}\n", "netrc-login"),
        (".pypirc", f"[pypi]\nusername = me\npassword = {d.some(24)}9\n", "generic-secret"),
        (".npmrc", f"//npm.corp.net/:_authToken={d.some(36)}\n", "npm-token"),
        (".docker/config.json", json.dumps({"auths": {"r.corp.net": {"auth": login}}}), "docker-login"),
        (".kube/config", kube, "kubernetes-credential"),
        ("home/.git-credentials", f"https://bot:{d.some(20)}@git.corp.net\n", "login-file"),
        ("home/.pgpass", f"db:5432:*:app:{d.some(12)}\n", "login-file"),
        ("home/.bash_history", "ls\ncd x\n", "history-file"),
        ("home/id_ed25519", d.some(200), "key-file"),
        ("lib/.git/config", "[core]\n\tbare = false\n", "git-folder"),
        ("lib/.git/objects/ab/cdef", d.some(50), "git-folder"),
        ("certs/store.p12", d.some(50), "key-file"),
        ("certs/store.jks", d.some(50), "key-file"),
        ("vault.kdbx", d.some(50), "key-file"),
    ):
        yield Planted("files", path, text.encode(), rule)
