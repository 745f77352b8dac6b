"""Runs for other tools: rows, OpenLineage events, and an MLflow server's own form.

`table` and `openlineage` are pure; `mlflow` says what is asked of a server through a `Sender`; `sending` is the one
that asks.
"""
