"""Files in which nothing is: what people write in place of secrets, hashes of all kinds, and real sources and locks."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

from scan_corpus.planted import Planted
from scan_corpus.tokens import HEX, MIXED, Dice, token_makers

ROOT = Path(__file__).parents[2]

STAND_INS = """\
password = "changeme"
password = os.environ["DB_PASSWORD"]
password: ${DB_PASSWORD}
password: {{ vault.password }}
password: "<your password>"
api_key = "YOUR_API_KEY_HERE_0123"
api_key = settings.api_key_1
token = get_token(client_1, "x")
token: $TOKEN
secret = "xxxxxxxxxxxxxxxxxxxx"
SECRET_NAME = "projects/p1/secrets/db-1"
token_url = "https://login.corp.net/oauth2/v2.0/token"
tokenizer = "bert-base-uncased-v2"
max_tokens = 4096
password_hash_algorithm = "pbkdf2_sha256_100000"
"tokens": "The quick brown fox 1 jumps over 2 dogs"
key = "user:profile:v2:settings"
access_key_id_file = "/run/secrets/access_key_1"
postgresql://postgres:postgres@localhost:5432/test
postgresql://user:${PASSWORD}@db.corp.net/app
https://user:password@host.corp.net/
https://{user}:{token}@host.corp.net/
mysql://root:root@db/app
redis://:<password>@cache:6379
-----BEGIN PRIVATE KEY-----
if text.startswith("-----BEGIN RSA PRIVATE KEY-----"):
-----BEGIN PUBLIC KEY-----
machine HOST login USER password PASSWORD
//registry.npmjs.org/:_authToken=${NPM_TOKEN}
"""


def _examples() -> Iterator[tuple[str, str]]:
    """Tokens as documents write them: in x, in order, with EXAMPLE in them."""
    for rule, makers in token_makers().items():
        if rule in ("database-url", "basic-auth-url", "json-web-token"):
            continue
        token = makers[0](Dice(rule))
        body = max(token.replace("-", "_").replace("/", "_").replace(".", "_").split("_"), key=len)
        if 2 * len(body) < len(token):
            continue
        yield f"{rule}-x", token.replace(body, "x" * len(body))
        yield f"{rule}-cut", token.replace(body, "...")
        yield f"{rule}-name", token.replace(body, ("EXAMPLE" * 40)[: len(body)])
        yield f"{rule}-short", token.replace(body, body[:5])


def _hashes() -> Iterator[tuple[str, str]]:
    d = Dice("hashes")
    digests = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(40)]
    yield "requirements.txt", "".join(f"package-{n}==1.{n} \\\n    --hash=sha256:{x}\n" for n, x in enumerate(digests))
    integrity = {
        f"node_modules/p{n}": {"integrity": "sha512-" + base64.b64encode(hashlib.sha512(x.encode()).digest()).decode()}
        for n, x in enumerate(digests)
    }
    yield "package-lock.json", json.dumps({"packages": integrity}, indent=2)
    yield "yarn.lock", "".join(f'p@^{n}:\n  resolved "https://r/p-{n}.tgz#{d.some(40, HEX)}"\n' for n in range(40))
    yield (
        "go.sum",
        "".join(
            f"example.org/m v1.{n}.0 h1:{base64.b64encode(bytes.fromhex(x)).decode()}\n" for n, x in enumerate(digests)
        ),
    )
    yield (
        "poetry.lock",
        "".join(
            f'[[package]]\nname = "p{n}"\nfiles = [{{file = "p.whl", hash = "sha256:{x}"}}]\n'
            for n, x in enumerate(digests)
        ),
    )
    yield "SHA256SUMS", "".join(f"{x}  file-{n}\n" for n, x in enumerate(digests))
    yield "uuids.txt", "".join(f"{uuid.UUID(int=int(x[:32], 16))}\n" for x in digests)
    yield "commits.txt", "".join(f"{x[:40]} a commit\n" for x in digests)
    yield "state.json", json.dumps({"etag": digests[0], "checksum": digests[1][:32], "cursor": digests[2][:24]})
    yield "image.html", f'<img src="data:image/png;base64,{d.some(20_000, MIXED + "+/")}">\n'
    yield "font.css", f"@font-face {{ src: url(data:font/woff2;base64,{d.some(20_000, MIXED + '+/')}) }}\n"
    yield (
        "bundle.min.js",
        "!function(e){" + ";".join(f"var {d.some(1, 'abc')}{n}={n * 7}" for n in range(3000)) + "}();",
    )
    yield "map.js.map", json.dumps({"version": 3, "mappings": ";".join(d.some(12, MIXED) for _ in range(2000))})
    yield "genome.fasta", ">seq\n" + "\n".join(d.some(70, "ACGT") for _ in range(200))
    yield "vocab.txt", "\n".join(d.some(7, "abcdefghijklmnop") for _ in range(2000))
    yield "certificate.pem", f"-----BEGIN CERTIFICATE-----\n{d.some(64)}\n{d.some(64)}\n-----END CERTIFICATE-----\n"
    yield "known_hosts", f"git.corp.net ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{d.some(43)}\n"
    yield "id_ed25519.pub", f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{d.some(43)} me@corp\n"
    yield ".env.example", f"DATABASE={d.some(20)}\n"
    yield "empty/.env", "DEBUG=true\nPORT=8080\nPASSWORD=\n"
    yield "pytest.ini", "[pytest]\naddopts = -ra\n"
    yield "config.gitignore", ".git/\n.env\n"


def _notebooks() -> Iterator[tuple[str, str]]:
    d = Dice("notebooks")
    picture = {"data": {"image/png": d.some(40_000, MIXED + "+/"), "text/plain": "<Figure size 640x480>"}}
    cells = [
        {"cell_type": "code", "source": ["import pandas as pd\n", "df.head()"], "outputs": [picture]},
        {"cell_type": "code", "source": "len(tokens)", "outputs": [{"text": "loss 0.1234 at step 100\n" * 50}]},
        {"cell_type": "markdown", "source": f"![x](attachment:x.png) {uuid.UUID(int=5)}", "id": d.some(8, HEX)},
    ]
    yield "plots.ipynb", json.dumps({"cells": cells})
    yield "empty.ipynb", json.dumps({"cells": []})
    yield "version3.ipynb", json.dumps({"worksheets": [{"cells": [{"input": "x = 1", "outputs": []}]}]})


def negatives() -> Iterator[Planted]:
    for number, line in enumerate(STAND_INS.splitlines()):
        for suffix in ("py", "yaml", "md", "ini"):
            yield Planted("secrets", f"n/{number}.{suffix}", f"# x\n{line}\n".encode())
    for name, token in _examples():
        yield Planted("secrets", f"e/{name}.md", f"Set it to `{token}`.\n".encode())
    for name, text in _hashes():
        kind = "files" if name.startswith((".env", "id_", "known", "empty")) else "secrets"
        yield Planted(kind, f"l/{name}", text.encode())
    for name, text in _notebooks():
        yield Planted("notebooks", f"n/{name}", text.encode())
    for pattern in ("builder/**/*.py", "docs/**/*.md", "environments/**/*.*", "templates/**/*.*", "*.toml"):
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and "__pycache__" not in path.parts:
                yield Planted("secrets", f"r/{path.relative_to(ROOT)}", path.read_bytes())
