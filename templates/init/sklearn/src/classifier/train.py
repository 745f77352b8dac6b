"""Train: reads /data/iris, writes /out/model and /out/metrics.json."""

import json
import os
from pathlib import Path

import joblib
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from classifier import FEATURES, TARGET


def main() -> None:
    parameters = json.loads(Path(os.environ["ENVBUILD_PARAMS"]).read_text())
    seed = int(os.environ["ENVBUILD_SEED"])
    out = Path(os.environ["ENVBUILD_OUT"])

    data = pd.read_csv(os.environ["ENVBUILD_DATA_IRIS"])
    train, test = train_test_split(data, test_size=parameters["test_share"], random_state=seed, stratify=data[TARGET])
    model = RandomForestClassifier(parameters["trees"], random_state=seed).fit(train[FEATURES], train[TARGET])
    accuracy = model.score(test[FEATURES], test[TARGET])

    (out / "model").mkdir(exist_ok=True)
    joblib.dump(model, out / "model" / "model.joblib")
    (out / "metrics.json").write_text(json.dumps({"accuracy": accuracy}) + "\n")
    print(f"accuracy on {len(test)} held-out rows: {accuracy:.3f}")


if __name__ == "__main__":
    main()
