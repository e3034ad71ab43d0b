"""How the command ends where somebody has had enough of it: quietly."""

import asyncio
import gc
import os
import subprocess
import sys
import warnings

from client.cli import TOKEN_VARIABLE
from client.command import Options, run
from client.outcome import Exit
from dev.places import ROOT


def test_ctrl_c_before_it_has_begun_leaves_nothing_behind(monkeypatch, tmp_path, capsys):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio.events, "new_event_loop", interrupted)
    options = Options((str(tmp_path),), "http://127.0.0.1:9", "Wedding", state=tmp_path / "state.json")

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert run(options, "token") == Exit.PAUSED
        gc.collect()

    assert [str(warning.message) for warning in warned] == []
    assert capsys.readouterr().err == "Stopped. The same command goes on.\n"


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"x")
    reading, writing = os.pipe()
    os.close(reading)
    words = [str(tmp_path / "missing"), "--to", "http://127.0.0.1:9", "--gallery", "Wedding", "--json"]

    ended = subprocess.run(
        [sys.executable, "-m", "client", *words], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE,
        env={**os.environ, TOKEN_VARIABLE: "token", "XDG_STATE_HOME": str(tmp_path / "state")}, check=False,
    )  # fmt: skip
    os.close(writing)

    assert (ended.returncode, ended.stderr) == (Exit.BROKEN_PIPE, b"")
