"""The demonstration: a year in the life of a made-up network of outlets, in real places.

Everything in it comes from a seed, and everything is recorded by the same decisions as real
users' requests, at the instants at which it would have happened. Nobody in it exists.
Read in this order: `scales.py` (how large), `network.py` (who), `cases.py` (the failures planted
and what the rules must say of each), `year.py` (what happens), `run.py` (load, print, serve).
"""
