"""Say of each row of features on standard input how likely it is that it rains on the next day."""

import csv
import json
import os
import sys
from pathlib import Path

from weather import chance_of_rain


def main():
    model = json.loads((Path(os.environ["ENVBUILD_MODEL"]) / "model.json").read_text())
    for row in csv.DictReader(sys.stdin):
        print(f"{chance_of_rain(model, row):.2f}")


if __name__ == "__main__":
    main()
