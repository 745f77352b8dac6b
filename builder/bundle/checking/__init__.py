"""Checking images and bundles: their promises, what is in them, and the policy that they are held to."""
