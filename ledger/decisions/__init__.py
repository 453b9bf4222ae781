"""Pure rules: (history, command) to facts or a refusal, one file a capability.

Start with `command.py` (what a command is), then `reports.py`.
"""
