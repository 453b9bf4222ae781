"""What it looks like, now or as of a moment; knows the ledger, not the doors.

Read `time_travel.py` (rows that remember when they were true), then `runner.py` (how facts are
folded into them), then any capability. To add one: declare row shapes, a fold, and the questions.
"""
