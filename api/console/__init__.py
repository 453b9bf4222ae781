"""The console: pages made on the server, in Chinese and English, that work without scripts.

A page answers one question, as of a moment that its address names, and has the same answer as
JSON one link away. Nothing is kept in the browser but language, theme and sign-in.
Read `pages.py` (the routes), `layout.py` (what every page has around it), then `matrix.py` or
`trace.py` (an answer made ready to show), and the template of the same name.
"""
