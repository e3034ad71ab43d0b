"""What a listener is told: joined, in order, and never short of something without a sign of it."""

from hypothesis import given
from hypothesis import strategies as st

from uploads.feed import Feed


def event(version, kind="photos", rows=(), *, is_cut=False):
    return {"version": version, "kind": kind, "rows": list(rows), "is_cut": is_cut}


def row(name, **fields):
    return {"id": name, **fields}


def test_changes_of_a_moment_become_one_message():
    feed = Feed(4)
    feed.hear(event(5, rows=[row("a", version=1)]))
    feed.hear(event(6, rows=[row("a", version=2), row("b", version=1)]))

    [message] = feed.messages()

    assert (message["type"], message["previous"], message["version"]) == ("photos", 4, 6)
    assert message["photos"] == [row("a", version=2), row("b", version=1)]
    assert not feed.has_news


def test_kinds_are_told_with_the_same_versions_uploads_first():
    feed = Feed(1)
    feed.hear(event(2, "photos", [row("p")]))
    feed.hear(event(2, "uploads", [row("u")]))
    feed.hear(event(3, "publication", [row("x"), row("y")]))

    told = feed.messages()

    assert [message["type"] for message in told] == ["uploads", "photos", "publication", "publication"]
    assert {(message["previous"], message["version"]) for message in told} == {(1, 3)}


def test_what_was_overtaken_is_waited_for_once():
    feed = Feed(1)
    feed.hear(event(3, rows=[row("late")]))

    assert feed.messages() == []
    feed.hear(event(2, rows=[row("early")]))
    [message] = feed.messages()

    assert (message["previous"], message["version"]) == (1, 3)


def test_a_lost_change_is_a_gap():
    feed = Feed(1)
    feed.hear(event(3, rows=[row("a")]))
    feed.messages()

    [message] = feed.messages()

    assert message["version"] == 3
    assert message["previous"] != 1


def test_rows_left_out_are_a_gap_at_once():
    feed = Feed(1)
    feed.hear(event(2, rows=[row("a")], is_cut=True))

    assert feed.messages()[0]["previous"] != 1


def test_an_old_message_changes_no_version():
    feed = Feed(7)
    feed.hear(event(5, rows=[row("a")]))

    [message] = feed.messages()

    assert (message["previous"], message["version"]) == (7, 7)


@given(
    st.permutations(range(2, 12)),
    st.sets(st.integers(2, 11), max_size=3),
    st.lists(st.booleans(), min_size=10, max_size=10),
)
def test_a_listener_either_has_every_row_or_reads_the_list(order, lost, flushes):
    """Whatever order, whatever is lost, whenever it is said."""
    feed, mine, rows, has_read = Feed(1), 1, set(), False

    def listen():
        nonlocal mine, has_read
        for message in feed.messages():
            if message["version"] > mine:
                has_read = has_read or message["previous"] != mine
                mine = message["version"]
            rows.update(each["id"] for each in message["photos"])

    for version, is_flushed in zip(order, flushes, strict=True):
        if version not in lost:
            feed.hear(event(version, rows=[row(version)]))
        if is_flushed:
            listen()
    listen()
    listen()

    newest = max((version for version in range(2, 12) if version not in lost), default=1)
    assert has_read or rows >= set(range(2, newest + 1))


def test_a_version_that_is_seen_and_never_heard_of_is_a_gap():
    feed = Feed(4)
    feed.see(6)
    assert not feed.has_news
    feed.see(7)

    [message] = feed.messages()

    assert (message["previous"], message["version"], message["photos"]) == (7, 7, [])
    feed.see(7)
    feed.see(7)
    assert not feed.has_news


def test_a_version_that_is_heard_of_after_it_is_seen_is_no_gap():
    feed = Feed(4)
    feed.see(5)
    feed.hear(event(5, rows=[row("a")]))
    feed.see(6)

    [message] = feed.messages()

    assert (message["previous"], message["version"]) == (4, 5)
