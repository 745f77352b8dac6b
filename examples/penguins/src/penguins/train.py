"""Train the classifier: reads the data, writes the model and its metrics."""

import json
import os
from pathlib import Path

import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from penguins import FEATURES, TARGET


def main() -> None:
    parameters = json.loads(Path(os.environ["ENVBUILD_PARAMS"]).read_text())
    seed = int(os.environ["ENVBUILD_SEED"])
    out = Path(os.environ["ENVBUILD_OUT"])

    data = pd.read_csv(os.environ["ENVBUILD_DATA_PENGUINS"]).dropna(subset=FEATURES)
    train, test = train_test_split(data, test_size=parameters["test_share"], random_state=seed, stratify=data[TARGET])
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=parameters["regularisation"], max_iter=parameters["iterations"])
    )
    model.fit(train[FEATURES], train[TARGET])
    accuracy = accuracy_score(test[TARGET], model.predict(test[FEATURES]))

    (out / "model").mkdir(exist_ok=True)
    joblib.dump(model, out / "model" / "model.joblib")
    (out / "metrics.json").write_text(json.dumps({"accuracy": accuracy, "rows": len(data)}) + "\n")
    print(f"trained on {len(train)} penguins; accuracy on {len(test)} others: {accuracy:.3f}")


if __name__ == "__main__":
    main()
