"""The budgets, each measured beside a peer and a limit in one run. Run one: `python -m benchmarks.batch`."""
