"""Licences of packages: what they state in SPDX's words, and the rules that a project holds them to."""
