"""What this environment must be able to do; run inside its image."""

import sqlite3
import ssl

import httpx
import tenacity
import yaml

assert yaml.safe_load("a: [1, 2]") == {"a": [1, 2]}
assert ssl.create_default_context().get_ca_certs(), "no certificate authorities"
assert sqlite3.connect(":memory:").execute("select 1 + 1").fetchone() == (2,)

transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"path": request.url.path}))
with httpx.Client(transport=transport) as client:
    assert client.get("https://example.com/a").json() == {"path": "/a"}

attempts = []


@tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_none())
def flaky() -> str:
    attempts.append(1)
    if len(attempts) < 3:
        raise ConnectionError
    return "ok"


assert flaky() == "ok"
print("plain: ok")
