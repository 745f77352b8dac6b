"""A first contract from a sample: what was seen, rounded outward, for people to edit.

file -- facts --> what each column holds -- columns --> what is promised of it -- contract --> the document
"""

from builder.data.infer.contract import Inferred, infer_contract

__all__ = ["Inferred", "infer_contract"]
