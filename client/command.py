"""One command from its words to its end, by whichever door it came: the installed program or `manage.py upload`."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import signal
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .choosing import Choice, Chosen, Filters, NothingThereError, choose
from .display import Display, Plan, display_for
from .galleries import gallery_for
from .identity import client_id_of_pipe
from .job import Job, run_until
from .journal import BusyError, Journal, held, journal_file
from .outcome import Exit
from .reading import READ_BYTES, read_and_digest
from .receipt import write_receipt
from .site import Patience, Site, SiteError, UnreachableError, reached
from .stream import Retry
from .wire import IN_HAND

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from .wire import Json

PIPE: Final = "-"
WATCH_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Options:
    sources: tuple[str, ...]
    url: str
    gallery: str
    filters: Filters = field(default_factory=Filters)
    pipe_name: str = ""
    at_once: int = 6
    patience_s: float = 600.0
    state: Path | None = None
    receipt: Path | None = None
    is_watching: bool = False
    is_dry: bool = False
    as_json: bool = False

    @property
    def patience(self) -> Patience:
        """Waits are 20 s at the longest; a stream counts tries where a call looks at the clock."""
        return Patience(self.patience_s, Retry(tries=6 + int(self.patience_s / 15)))


def run(options: Options, token: str, transport: httpx.AsyncBaseTransport | None = None) -> Exit:
    logging.getLogger("httpx").setLevel(logging.WARNING)  # its lines have signed addresses in them
    display = display_for(as_json=options.as_json)
    try:
        return _run(options, token, display, transport)
    except BrokenPipeError:
        return unheard()


def _run(options: Options, token: str, display: Display, transport: httpx.AsyncBaseTransport | None) -> Exit:
    """Raises: BrokenPipeError when nobody reads stdout any more."""
    file = options.state or journal_file(options.url, options.gallery, list(options.sources))
    try:
        with held(file), asyncio.Runner() as runner:
            # The loop is there before the coroutine: a Ctrl-C in between would leave that one behind, never begun.
            runner.get_loop()
            return runner.run(upload(options, token, Journal(file), display, transport))
    except NothingThereError as error:
        return ended(display, f"There is nothing at {error}.", Exit.USAGE)
    except BusyError:
        return ended(display, "The same command is running already.", Exit.BUSY)
    except SiteError as error:
        return ended(display, f"{options.url}: {error} ({error.trouble.code})", Exit.REFUSED)
    except UnreachableError as error:
        return ended(display, f"{options.url} can't be reached: {error}", Exit.UNREACHABLE)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return ended(display, "Stopped. The same command goes on.", Exit.PAUSED)


def ended(display: Display, sentence: str, how: Exit) -> Exit:
    display.stop()
    display.say(sentence)
    return how


def unheard() -> Exit:
    """Whoever read stdout (`| head`) has gone: what is still to be flushed there goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return Exit.BROKEN_PIPE


async def upload(
    options: Options,
    token: str,
    journal: Journal,
    display: Display,
    transport: httpx.AsyncBaseTransport | None,
) -> Exit:
    """Raises: SiteError, UnreachableError, NothingThereError."""
    stopping = listen_for_signals(display)
    with spooled(options) as piped:
        choice = await asyncio.to_thread(chosen_by, options, piped)
        async with reached(options.url, token, patience=options.patience, transport=transport) as site:
            gallery = await gallery_for(site, options.gallery, journal, may_make=not options.is_dry)
            if options.is_dry:
                display.stop()
                await rehearse(site, gallery, choice, display)
                return Exit.ALL_THERE
            job = Job(site, str((gallery or {})["id"]), journal, display, at_once=options.at_once)
            job.report.gallery_url = site.absolute(str((gallery or {}).get("url", "")))
            await job.look()
            await work(job, options, choice, stopping)
            report = await job.finish(choice)
    if options.receipt:
        write_receipt(options.receipt, options.url, report)
    display.end(report)
    return report.exit


async def work(job: Job, options: Options, choice: Choice, stopping: asyncio.Event) -> None:
    job.add(choice.files)
    job.notes.choice = choice
    if not options.is_watching:
        await run_until(job, stopping)
        return
    job.expect_more()
    watching = asyncio.create_task(watch(job, options, choice, stopping))
    try:
        await run_until(job, stopping)
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def watch(job: Job, options: Options, choice: Choice, stopping: asyncio.Event) -> None:
    """A file is taken once its size and time have stayed the same between two looks: it is written to its end."""
    taken = {file.client_id for file in choice.files}
    seen: set[str] = set()
    while not stopping.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), WATCH_EVERY_S)
        found = await asyncio.to_thread(choose, options.sources, options.filters)
        still = [file for file in found.files if file.client_id in seen and file.client_id not in taken]
        seen = {file.client_id for file in found.files}
        taken |= {file.client_id for file in still}
        job.add(still)
        job.notes.choice = found
        await job.notes.send()


async def rehearse(site: Site, gallery: Json | None, choice: Choice, display: Display) -> None:
    """What would be done, a line a file; nothing is."""
    known = {}
    if gallery is not None:
        known = {upload.client_id: upload async for upload in site.uploads_of(gallery["id"])}
    for file in choice.files:
        upload = known.get(file.client_id)
        state = upload.state if upload else ""
        verb = "there" if state in IN_HAND | {"verified"} else "resume" if state == "signed" else "send"
        display.planned(Plan(verb, file.path, file.size_bytes))
    for note in choice.notes:
        display.planned(Plan("notes", note.path, about=tuple(photo.path for photo in note.about)))
    for stray in choice.stray:
        display.planned(Plan("leave", stray.path, code=stray.code))
    for path in choice.left_out:
        display.planned(Plan("leave", path))


def chosen_by(options: Options, piped: Chosen | None) -> Choice:
    """Raises: NothingThereError."""
    if piped is not None:
        return Choice((piped,))
    return choose(options.sources, options.filters)


@contextmanager
def spooled(options: Options) -> Iterator[Chosen | None]:
    """Standard input as a file: the site must be told its size before the first byte is sent."""
    if options.sources != (PIPE,):
        yield None
        return
    with tempfile.NamedTemporaryFile(prefix="gallery-upload-") as spool:
        digest, size_bytes = hashlib.sha256(), 0
        while content := read_and_digest(sys.stdin.buffer, READ_BYTES, digest):
            size_bytes += spool.write(content)
        spool.flush()
        client_id = client_id_of_pipe(options.pipe_name, digest.hexdigest())
        now_ms = time.time_ns() // 1_000_000
        yield Chosen(Path(spool.name), options.pipe_name, size_bytes, now_ms, client_id)


def listen_for_signals(display: Display) -> asyncio.Event:
    """The first one pauses; the second one ends it where it is."""
    stopping, loop, task = asyncio.Event(), asyncio.get_running_loop(), asyncio.current_task()

    def stop() -> None:
        if stopping.is_set() and task is not None:
            task.cancel()
            return
        stopping.set()
        display.say("Pausing: what is on its way arrives. Once more stops at once.")

    if os.name == "posix":
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
    return stopping
