"""Profiles: what a table's values are like, without its rows."""

from builder.data.profile.document import Category, ColumnProfile, Histogram, Profile
from builder.data.profile.make import profile_files, profile_table

__all__ = ["Category", "ColumnProfile", "Histogram", "Profile", "profile_files", "profile_table"]
