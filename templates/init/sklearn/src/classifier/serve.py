"""Serve: POST /predictions, GET /livez and /readyz."""

import os
from pathlib import Path

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel

from classifier import FEATURES

app = FastAPI(title="classifier")
folder = os.environ.get("ENVBUILD_MODEL")
model = joblib.load(Path(folder) / "model.joblib") if folder else None


class Measurements(BaseModel):
    sepal_length: float
    sepal_width: float
    petal_length: float
    petal_width: float


class Request(BaseModel):
    input: Measurements


@app.get("/livez")
def live() -> dict:
    return {"status": "alive"}


@app.get("/readyz")
def ready(response: Response) -> dict:
    if model is None:
        response.status_code = 503
        return {"status": "no model: run `train` first"}
    return {"status": "ready"}


@app.post("/predictions")
def predict(request: Request) -> dict:
    if model is None:
        raise HTTPException(503, "no model is loaded")
    row = pd.DataFrame([request.input.model_dump()])[FEATURES]
    return {"status": "succeeded", "output": model.predict(row)[0]}


if __name__ == "__main__":
    uvicorn.run(app, host=os.environ["ENVBUILD_HOST"], port=int(os.environ["ENVBUILD_PORT"]))
