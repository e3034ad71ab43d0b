"""`dev/python` finds a Python that is new enough, or says that there is none."""

import sys

TOO_OLD = 'case "$1" in -c) exit 1;; esac; echo "the old one ran"'
SAYS_ITS_NAME = 'case "$1" in -c) exit 0;; esac; echo "ran by $(basename "$0") $*"'


def test_the_first_python_on_path_runs_the_module(run, program, nowhere) -> None:
    program("python3", f'exec {sys.executable} "$@"')

    ended = run("dev/python", "-c", "print('hello')", env=nowhere)

    assert (ended.returncode, ended.stdout) == (0, "hello\n")


def test_a_python3_that_is_too_old_is_passed_over_for_a_newer_one(run, program, nowhere) -> None:
    program("python3", TOO_OLD)
    program("python3.12", SAYS_ITS_NAME.replace('$(basename "$0")', "python3.12"))

    ended = run("dev/python", "-m", "dev.run", env=nowhere)

    assert ended.stdout == "ran by python3.12 -m dev.run\n"


def test_a_shim_without_a_python_behind_it_is_passed_over(run, program, nowhere) -> None:
    program("python3.13", "exit 127")
    program("python3.11", SAYS_ITS_NAME.replace('$(basename "$0")', "python3.11"))

    ended = run("dev/python", "-m", "dev.run", env=nowhere)

    assert ended.stdout == "ran by python3.11 -m dev.run\n"


def test_no_python_that_is_new_enough_is_one_sentence(run, program, nowhere) -> None:
    program("python3", TOO_OLD)

    ended = run("dev/python", "-m", "dev.run", env=nowhere)

    assert ended.returncode == 1
    assert ended.stderr == (
        "safelight: no Python 3.11 or newer was found on PATH; "
        "install python3.11, python3.12 or python3.13.\n"
    )
