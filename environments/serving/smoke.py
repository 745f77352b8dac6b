"""What this environment must be able to do; run inside its image."""

import json
import threading
import time
import urllib.request

import fastapi
import httptools  # noqa: F401 - of uvicorn[standard]
import orjson
import prometheus_client
import pydantic
import uvicorn
import uvloop  # noqa: F401 - of uvicorn[standard]

application = fastapi.FastAPI()
PREDICTIONS = prometheus_client.Counter("predictions", "Predictions made")


class Input(pydantic.BaseModel):
    x: float


@application.post("/predict")
def predict(given: Input) -> dict[str, float]:
    PREDICTIONS.inc()
    return {"y": 2 * given.x}


application.mount("/metrics", prometheus_client.make_asgi_app())
server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="warning"))
thread = threading.Thread(target=server.run)
thread.start()
while not server.started:
    time.sleep(0.01)
port = server.servers[0].sockets[0].getsockname()[1]
request = urllib.request.Request(
    f"http://127.0.0.1:{port}/predict", orjson.dumps({"x": 21}), {"content-type": "application/json"}
)
with urllib.request.urlopen(request, timeout=10) as answer:
    assert json.load(answer) == {"y": 42}
with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics/", timeout=10) as answer:
    assert b"predictions_total 1.0" in answer.read()
server.should_exit = True
thread.join()
print("serving: ok")
