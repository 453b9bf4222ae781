"""Figures over many obligations: read in brief, kept in memory, judged quickly, added up.

Read in this order: `briefs.py` (what decides an outcome), `chronicles.py` and `sheaves.py` (where
briefs are kept, with every version), `tallying.py` and `remembering.py` (how they are judged),
`counting.py` and `accounting.py` (which ones a question counts), `measures.py` (what is told).
"""
