"""Learn from the years before the one that the model is judged by: one number for each feature."""

import json
import os

from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from weather import DAY, OUT, TARGET, parameters, read, year


def main():
    options = parameters()
    rows = [row for row in read(OUT / "features.csv") if year(row) < options["split"]["test_year"]]
    names = [name for name in rows[0] if name not in (DAY, TARGET)]
    scaler = StandardScaler()
    features = scaler.fit_transform([[float(row[name]) for name in names] for row in rows])
    learner = SGDClassifier(
        loss="log_loss",
        alpha=options["train"]["alpha"],
        max_iter=options["train"]["epochs"],
        tol=None,
        average=True,
        random_state=int(os.environ["ENVBUILD_SEED"]),
    )
    learner.fit(features, [int(row[TARGET]) for row in rows])
    weights = learner.coef_[0] / scaler.scale_
    model = {
        "intercept": float(learner.intercept_[0] - weights @ scaler.mean_),
        "weights": {name: float(weight) for name, weight in zip(names, weights, strict=True)},
    }
    (OUT / "model").mkdir(parents=True, exist_ok=True)
    (OUT / "model" / "model.json").write_text(json.dumps(model, indent=2) + "\n")
    print(f"trained on {len(rows)} days")


if __name__ == "__main__":
    main()
