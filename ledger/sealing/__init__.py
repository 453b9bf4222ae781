"""The verifiable log: tiles, signed checkpoints and proofs in files outside the database.

Read in this order: `note.py` (what is signed, and how), `checkpoint.py`, `tiles.py`, `keys.py`
(who signs), `folder.py` (where it all lies), `sealer.py` (who writes it), `guard.py` (who refuses
to write when the database stands behind it), and `restore.py` (the way out).
"""
