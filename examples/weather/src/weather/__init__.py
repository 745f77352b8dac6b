"""What the stages share: tables as lists of rows, the parameters of a stage, and what a model says."""

import csv
import json
import math
import os
from pathlib import Path

OUT = Path("out")
DAY, TARGET = "day", "rain_tomorrow"


def parameters():
    """The parameters that the stage reads, nested as in their file."""
    return json.loads(Path(os.environ["ENVBUILD_PARAMS"]).read_text())


def read(path):
    """The rows of a table."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write(path, rows):
    """A table with these rows, which have the same columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def year(row):
    """The year of a day."""
    return int(row[DAY][:4])


def chance_of_rain(model, row):
    """What a model, which is a number for each feature, says of a day: from 0 to 1."""
    score = model["intercept"] + sum(weight * float(row[name]) for name, weight in model["weights"].items())
    return 1 / (1 + math.exp(-score))
