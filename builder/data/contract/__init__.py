"""Data contracts: documents in the Open Data Contract Standard, read, written and compared."""

from builder.data.contract.document import (
    Contract,
    CustomProperty,
    Property,
    Quality,
    Relationship,
    SchemaObject,
    ServiceLevel,
)
from builder.data.contract.read import LoadedContract, read_contract
from builder.data.contract.thresholds import Threshold
from builder.data.contract.write import write_contract

__all__ = [
    "Contract",
    "CustomProperty",
    "LoadedContract",
    "Property",
    "Quality",
    "Relationship",
    "SchemaObject",
    "ServiceLevel",
    "Threshold",
    "read_contract",
    "write_contract",
]
