"""Signatures: statements about digests, signed with keys, SSH keys or identities, and checked."""
