"""Checking a log from its bytes alone: everything is computed anew and compared.

Read in this order: `report.py` (what a verification says), `trust.py` (whose signature counts),
`hashing.py` (the one loop that everything goes through), `tree.py`, `sources.py` (a folder, or a
served log), `stretches.py` (bundles and tiles, a few at a time), `judging.py` (who is wrong where
two differ), `logs.py` (all of that together), `rows.py` and `tables.py` (the live database),
`lines.py` (an export), and `promises.py` (receipts and proofs).
"""
