"""What it looks like, now or as of a moment; knows the ledger, not the doors.

How a projection works. It declares tables (`tables.py`): each one frozen struct, the fields that
name a row, the fields by which rows are found. It folds facts into rows, one after the other
(`Projection.fold`), and that is all it does: it reads no clock, asks nobody, and never sees
another projection's rows. The projector (`runner.py`, `leading.py`) reads the log once for all of
them, folds batches in memory (`folding.py`), and writes rows, closed versions and position in one
transaction (`saving.py`). So every row remembers when it was true (`time_travel.py`), and every
question takes a position: the answer equals a replay to it.

How to add one:

1. Write the row as a frozen struct, and its `Table`, in the capability's file. Store instants and
   codes; whatever depends on now is evaluated when somebody asks, at a `Moment`.
2. Write the projection: `name`, `version`, `tables`, the `types` of fact it wants, `reads` (rows
   that the fold will ask for; a hint), and `fold`.
3. Name it in `views.py`, and ask it with `time_travel.Reader`.
4. A changed fold or shape is a higher `version`: it is built from the first fact on, beside the
   old one, which answers until the new one has caught up. Forgotten, it is refused at the start
   (`building/fingerprints.py`).

A fold that fails stops its own projection at that fact, and no other; mended code goes on from
there. Read next: `tables.py`, then `runner.py`, then any capability.
"""
