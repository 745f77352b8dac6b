"""Python packages: from requirements to one locked wheel a package, for each target."""
