"""What is sent to a shell in a place without Python, and what comes back.

`collect.sh` answers questions and judges nothing; `script` writes the questions for it; `wire` is the form in which an
answer travels as text; `answers` reads what an answer holds; `errno_words` knows the errors of tools. All of it is
pure: text in, values out. The doors that use it are `systems.remote` and `systems.captured`.
"""
