"""A local stream gives the same bytes whether the system has them in memory or a thread must wait for the disk."""

import errno
import os
import random
import uuid

import pytest

from galleries.objects import local
from galleries.objects.base import original_key, store_named

CONTENT = random.Random(2).randbytes(local.STREAM_CHUNK_BYTES * 2 + 777)
KEY = original_key(uuid.UUID(int=7), 1)


def no_memory(*_: object) -> int:
    raise BlockingIOError(errno.EAGAIN, "it would have to be waited for")


def half(fd: int, buffers: list[memoryview], offset: int, _flags: int) -> int:
    return READ(fd, [buffers[0][: len(buffers[0]) // 2 + 1]], offset)


READ = os.preadv


@pytest.mark.parametrize("way", ["cached", "a part cached", "not cached", "no such flag"])
async def test_the_bytes_are_those_of_the_file(monkeypatch, way):
    store = store_named("local")
    store.put_bytes(KEY, CONTENT, content_type="image/jpeg")
    if way == "no such flag":
        monkeypatch.delattr(os, "RWF_NOWAIT", raising=False)
    elif way != "cached":
        monkeypatch.setattr(os, "preadv", half if way == "a part cached" else no_memory)

    whole = [chunk async for chunk in store.stream(KEY)]
    part = [chunk async for chunk in store.stream(KEY, offset=5, length=local.STREAM_CHUNK_BYTES)]

    assert b"".join(whole) == CONTENT
    assert b"".join(part) == CONTENT[5 : 5 + local.STREAM_CHUNK_BYTES]
    assert {type(chunk) for chunk in whole} == {bytes}
    assert max(map(len, whole)) <= local.STREAM_CHUNK_BYTES
