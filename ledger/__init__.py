"""What happened, and what may happen next; knows neither projections nor api.

Read in this order: `events/` (every fact that can be recorded), `decisions/` (pure rules from
history and command to facts), `log.py` (the write path: start here), `recorder.py` (one ordered,
gapless, hashed log in PostgreSQL), `codec.py` (fact to entry bytes and back), `database.py` and
`migrate.py` (where it is kept).
"""
