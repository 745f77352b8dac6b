"""Engines that build an image of a Dockerfile: Docker Engine's own builder, and BuildKit.

Owns talking to them and reading what they made; which Dockerfile they are given is `builder.image.dockerfile`'s.
"""
