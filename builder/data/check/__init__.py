"""Data held to what their contract promises, one rule at a time: a rule that is bad harms itself alone.

contract -- planning --> rules -- evaluate --> outcomes = the report -- render --> table, JSON, JUnit, Markdown
"""

from builder.data.check.check import Wishes, check_contract
from builder.data.check.outcome import CheckedFile, CheckedTable, CheckReport, Outcome, Sample

__all__ = ["CheckReport", "CheckedFile", "CheckedTable", "Outcome", "Sample", "Wishes", "check_contract"]
