"""Every door into the system: HTTP, console, command line; knows both other packages.

Read `cli.py` (the commands), then `app.py` (how the service is put together), then any
capability: write routes call `ledger.log`, read routes call `projections`.
"""
