"""The verifiable log: tiles, signed checkpoints and proofs in files outside the database.

Read in this order: `../merkle.py` (the tree), `spelling.py` (one spelling for every value),
`note.py` (what is signed, and how), `checkpoint.py`, `tiles.py`, `proof.py`, `receipt.py`: these
are pure. Then `keys.py` (who signs), `folder.py` (where it all lies), `sealer.py` (who writes it),
`guard.py` (who refuses to write when the database stands behind it), and `restore.py` (the way
out).
"""
