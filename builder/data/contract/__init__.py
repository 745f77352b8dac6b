"""Data contracts: documents in the Open Data Contract Standard, read, written and compared."""

from builder.data.contract.document import Contract, Property, Quality, SchemaObject
from builder.data.contract.read import read_contract
from builder.data.contract.thresholds import Threshold

__all__ = ["Contract", "Property", "Quality", "SchemaObject", "Threshold", "read_contract"]
