"""Real servers for tests and benchmarks: no Django, nothing global, stopped for certain."""
