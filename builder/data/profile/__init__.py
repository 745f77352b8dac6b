"""Profiles: what a table's values are like, without its rows."""

from builder.data.profile.document import Category, ColumnProfile, Histogram, Profile
from builder.data.profile.files import profile_files, read_profile
from builder.data.profile.make import Manner, profile_table

__all__ = [
    "Category",
    "ColumnProfile",
    "Histogram",
    "Manner",
    "Profile",
    "profile_files",
    "profile_table",
    "read_profile",
]
