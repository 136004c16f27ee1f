"""SIGKILL and power cuts at random moments, and what the same command makes of what was left (docs/reliability.md).

python benchmarks/kills.py --out FOLDER [--trials 20] [--only NAME ...] [--power-cut] [--seed 1]
"""

from reliability.kills import main

if __name__ == "__main__":
    main()
