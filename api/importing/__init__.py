"""A user's own data from CSV files: organisation, people, duties, past reports and relief.

A dry run names every bad row with all its reasons and records nothing; a committed import is one
fact a file, and facts that each name their file, sheet and row. Read in this order: `sheets.py`
(the columns), `files.py` (bytes to rows), `rows.py` and `claims.py` (rows to commands),
`rehearsal.py` (told in time, twice), `run.py` (the command).
"""
