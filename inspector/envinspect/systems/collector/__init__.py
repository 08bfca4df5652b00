"""The answering machine for places without Python: what is sent to a shell there, and what comes back.

`collect.sh` answers questions and judges nothing; `script` puts questions into words for it; `wire` carries an
answer over anything that carries text; `answers` reads and writes what an answer holds; `errno_words` knows the errors
of tools.
All of it is pure: text in, values out. The doors that use it are `systems.remote` and `systems.captured`.
"""
