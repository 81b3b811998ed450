"""The typed contract between processes: every message, one registry table, nothing else.

Message types live here and only here. Cores use them directly as their events, so there is one
vocabulary and no mapping layer. Read `registry.py` first: it is everything that can be said.
"""
