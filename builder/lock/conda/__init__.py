"""conda packages: from an environment file to one locked package each, for every platform, solved in process."""
