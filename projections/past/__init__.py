"""What auditors do with the past: step through it, compare two moments of it, look at its rows.

Read in this order: `differing.py` (one row), `selecting.py` and `replaying.py` (one fact after
the other), `between.py`, `contrasting.py` and `comparing.py` (two moments), `showing.py` (rows
themselves), `standings.py`, `leaving_out.py` and `two_times.py` (two knowings of one day).
How rows remember when they were true is `projections/time_travel.py`.
"""
