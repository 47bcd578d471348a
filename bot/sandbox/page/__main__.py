"""`python -m bot.sandbox.page`: see `play`."""

import sys

from bot.sandbox.page.play import main

if __name__ == "__main__":
    sys.exit(main())
