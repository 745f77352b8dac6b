"""OCI content: digests, documents, the layout that is also the store, archives and validation."""
