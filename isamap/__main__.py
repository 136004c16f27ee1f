"""`python -m isamap`, or this file itself where the package is not on the path: the command `isamap`."""

import sys
from pathlib import Path

if not __package__:  # run as a file: Python put this folder on the path, where the one that holds it belongs
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from isamap import main

if __name__ == "__main__":
    sys.exit(main())
