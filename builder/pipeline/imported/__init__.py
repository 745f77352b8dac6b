"""Pipelines of other tools as stages of a project: `dvc.yaml` and `MLproject`. Each thing that is not taken is told."""
