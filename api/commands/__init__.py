"""The commands of `ledger`, a module a purpose; heavy imports stand inside them, for a fast start.

Read `opening.py` (a ledger opened for a command) and `printing.py` first, then `asking.py`.
"""
