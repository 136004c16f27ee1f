"""`python export_patches.py --region wuhan`: the same command as `isamap export`."""

import sys

from isamap import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
