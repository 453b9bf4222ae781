"""Builds of a view: by which fold they were made, how they are made anew, and held to the log.

Read in this order: `reaching.py` and `fingerprints.py` (which fold made it), `builds.py` (which
build answers), `rebuilding.py` and `build_difference.py` (one beside the other), `verifying.py`
(against a replay).
"""
