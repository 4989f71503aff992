"""`python -m checker` is `lockstep`."""

from checker.commands.main import main

main()
