"""What this environment must be able to do; run inside its image."""

import fastapi  # noqa: F401 - models are served from here too
import numpy as np
import pandas as pd
import uvicorn  # noqa: F401
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(7)
data = pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300)})
labels = (data["a"] + data["b"] > 0).astype(int)
for model in (make_pipeline(StandardScaler(), LogisticRegression()), RandomForestClassifier(n_jobs=2, random_state=7)):
    assert model.fit(data, labels).score(data, labels) > 0.95, model
print("sklearn: ok")
