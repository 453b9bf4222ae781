"""What facts say about each entity: pure folds and questions, shared by every reader of facts.

Start with `dossier.py`, then `history.py`, which puts the entities together.
"""
