"""The subcommands, a module each: ``add_arguments(parser)`` and ``run(arguments) -> int``. Loaded when asked for."""
