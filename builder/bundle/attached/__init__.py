"""What is attached to a bundle, since it names its digest: provenance, signatures, verdicts."""
