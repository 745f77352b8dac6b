"""The bundle: image, code, model and documents of a project in one OCI layout that also loads into Docker."""
