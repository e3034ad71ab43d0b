"""A file chosen again whose last attempt has ended: its way into the store is chosen anew too."""

import pytest

from tests.builders import MIB, file_out, make_upload
from uploads.models import Discard, Upload
from uploads.states import State

pytestmark = pytest.mark.django_db
ENDED = [State.CANCELLED, State.FAILED, State.EXPIRED]


def chosen_again(api, gallery, upload: Upload, **fields) -> dict:
    [row] = api.batch(gallery, file_out(client_id=upload.client_id, size=upload.size, **fields))
    assert row["id"] == str(upload.pk)
    return row


@pytest.mark.parametrize("state", ENDED)
@pytest.mark.parametrize("lane", ["put", "multipart", "resumable"])
def test_a_file_begun_anew_takes_the_lane_that_is_preferred_now(api, gallery, state, lane):
    upload = make_upload(gallery, state, lane="resumable" if lane == "put" else "put")

    row = chosen_again(api, gallery, upload, lane=lane)

    assert (row["state"], row["transfer"]["lane"]) == ("signed", lane)
    assert Upload.objects.get().lane == lane


@pytest.mark.parametrize("state", ENDED)
def test_without_a_wish_it_takes_the_lane_of_every_file_of_its_size(api, gallery, state):
    small = make_upload(gallery, state, lane="resumable", sealed_session="forgotten")
    large = make_upload(gallery, state, lane="resumable", size=9 * MIB)

    assert chosen_again(api, gallery, small)["transfer"]["lane"] == "put"
    assert chosen_again(api, gallery, large)["transfer"]["lane"] == "multipart"


@pytest.mark.parametrize("state", ENDED)
@pytest.mark.parametrize(("size", "lane"), [(100, "carrier pigeon"), (100, ""), (9 * MIB, "put")])
def test_a_lane_that_is_not_there_is_refused_and_nothing_is_begun(api, gallery, state, size, lane):
    upload = make_upload(gallery, state, size=size)

    row = chosen_again(api, gallery, upload, lane=lane)

    assert (row["state"], row["error"]["code"]) == (str(state), "lane_unsupported")
    after = Upload.objects.get()
    assert (after.attempt, after.version, after.lane) == (upload.attempt, upload.version, upload.lane)
    assert not Discard.objects.exists()


def test_a_file_on_its_way_keeps_its_lane_whatever_is_preferred_later(api, gallery):
    file = file_out(size=100)
    api.batch(gallery, file)

    [row] = api.batch(gallery, {**file, "lane": "resumable"})

    assert row["transfer"]["lane"] == "put"
