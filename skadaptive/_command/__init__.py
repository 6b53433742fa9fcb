"""The subcommands of ``skadaptive``, a module each, and what they share.

``arguments`` has the options that several of them take, ``inputs`` reads what these
name, and ``outputs`` writes and prints. The module of a subcommand has ``add_to``,
which ``cli.py`` calls: it describes the options and names the function that runs.

May import: everything but ``cli``.
"""
