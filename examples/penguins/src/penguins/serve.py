"""Serve predictions over HTTP: `POST /predictions`, and `/livez` and `/readyz` for whoever watches."""

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import uvicorn
from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel, Field

from penguins import FEATURES

loaded: dict[str, Any] = {}


class Measurements(BaseModel):
    bill_length_mm: float = Field(gt=0)
    bill_depth_mm: float = Field(gt=0)
    flipper_length_mm: float = Field(gt=0)
    body_mass_g: float = Field(gt=0)


class Request(BaseModel):
    input: Measurements


@asynccontextmanager
async def lifespan(_: FastAPI):
    folder = os.environ.get("ENVBUILD_MODEL")
    if folder is not None:
        loaded["model"] = joblib.load(Path(folder) / "model.joblib")
    yield
    loaded.clear()


app = FastAPI(title="penguins", lifespan=lifespan)


@app.get("/livez")
def live() -> dict[str, str]:
    return {"status": "alive"}


@app.get("/readyz")
def ready(response: Response) -> dict[str, str]:
    if "model" not in loaded:
        response.status_code = 503
        return {"status": "no model: run `train` first, and mount its output at /out"}
    return {"status": "ready"}


@app.post("/predictions")
def predict(request: Request) -> dict[str, Any]:
    if "model" not in loaded:
        raise HTTPException(503, "no model is loaded")
    row = pd.DataFrame([request.input.model_dump()])[FEATURES]
    probabilities = loaded["model"].predict_proba(row)[0]
    species = dict(zip(loaded["model"].classes_.tolist(), probabilities.round(4).tolist(), strict=True))
    return {"status": "succeeded", "output": {"species": max(species, key=species.get), "probabilities": species}}


if __name__ == "__main__":
    uvicorn.run(app, host=os.environ["ENVBUILD_HOST"], port=int(os.environ["ENVBUILD_PORT"]))
