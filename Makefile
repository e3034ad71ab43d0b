# run    everything the product needs, set up and started; Ctrl-C stops all of it
# test   every test, real servers and a real browser included
# check  linters, types, layers, dead code, migrations, deploy check
# fix    formats
# bench  the budgets, measured
.PHONY: run test check fix bench

run:
	@dev/python -m dev.run

test:
	@dev/python -m dev.test

check:
	@dev/python -m dev.check

fix:
	@dev/python -m dev.fix

bench:
	@dev/python -m dev.bench
