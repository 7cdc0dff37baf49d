"""Migration histories, one folder per role: `NNNN_subject.py`, numbered without gaps, only ever appended to.

A migration spells out what it does (`op.create_table` from the first) and never imports a role's schema, which
moves on while history must not. There is no way back: a database is restored from its backup.
"""
