"""Faults of the line and of the engine, odd requests, and many clients at once (docs/reliability.md).

python benchmarks/faults.py --out FOLDER [--schedules 200] [--fuzz 1000000] [--soak MINUTES] [--jobs 2] [--seed 1]

Schedules run by default; --schedules 0 leaves them out, --fuzz and --soak add the others.
"""

from reliability.faults import main

if __name__ == "__main__":
    main()
