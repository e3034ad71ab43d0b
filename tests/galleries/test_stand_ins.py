"""What is shown of a photo whose renditions are old, or not made yet: something calm, and never a broken image."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync

from galleries.models import Rendition
from galleries.objects.base import store_named
from galleries.renditions import GRID, VIEW
from tests.builders import make_photo

pytestmark = pytest.mark.django_db
OLD = "0123456789ab"


def shown(api, url: str):
    answer = api.client.get(url, headers=api.headers)
    body = async_to_sync(whole)(answer.streaming_content) if answer.streaming else answer.content
    return answer.status_code, answer.headers["Content-Type"], answer.headers["Cache-Control"], body


async def whole(chunks) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def url_of(photo, recipe, digest: str = "") -> str:
    return f"/photos/{photo.pk}/{recipe.name}/{digest or recipe.digest}"


def bytes_of(photo, name: str) -> bytes:
    return b"".join(store_named("local").read(photo.renditions.get(name=name).key))


def test_the_recipe_of_the_address_is_kept_for_ever(api, gallery):
    photo = make_photo(gallery)

    status, _, cached, body = shown(api, url_of(photo, GRID))

    assert (status, body) == (200, bytes_of(photo, "grid"))
    assert "immutable" in cached


@pytest.mark.parametrize("asked", [GRID.digest, "ffffffffffff"])
def test_one_of_an_old_recipe_is_shown_and_not_kept_under_another(api, gallery, asked):
    photo = make_photo(gallery)
    Rendition.objects.filter(photo=photo, name="grid").update(recipe=OLD)

    status, _, cached, body = shown(api, url_of(photo, GRID, asked))

    assert (status, cached, body) == (200, "no-store", bytes_of(photo, "grid"))
    assert "immutable" in shown(api, url_of(photo, GRID, OLD))[2]


@pytest.mark.parametrize(("missing", "standing_in"), [("grid", "view"), ("view", "grid")])
def test_for_one_that_is_not_made_another_stands_in(api, gallery, missing, standing_in):
    photo = make_photo(gallery)
    photo.renditions.filter(name=missing).delete()
    recipe = {"grid": GRID, "view": VIEW}[missing]

    status, kind, cached, body = shown(api, url_of(photo, recipe))

    assert (status, cached, body) == (200, "no-store", bytes_of(photo, standing_in))
    assert kind == {"grid": GRID, "view": VIEW}[standing_in].media_type


def test_where_nothing_is_made_a_calm_surface_of_its_shape_is_shown(api, gallery):
    photo = make_photo(gallery, width=300, height=200)
    photo.renditions.all().delete()

    status, kind, cached, body = shown(api, url_of(photo, GRID))

    assert (status, kind, cached) == (200, "image/svg+xml", "no-store")
    assert b'viewBox="0 0 300 200"' in body


def test_the_list_names_every_rendition_with_its_size_to_come(api, gallery):
    photo = make_photo(gallery, width=3000, height=2000)
    photo.renditions.all().delete()

    [listed] = api.get(f"/galleries/{gallery.pk}/photos").photos

    assert listed["renditions"] == [
        {"name": "grid", "url": url_of(photo, GRID), "width": 400, "height": 267},
        {"name": "view", "url": url_of(photo, VIEW), "width": 1600, "height": 1067},
    ]
    assert api.get(f"/galleries/{gallery.pk}").body["cover_url"] == url_of(photo, GRID)


def test_a_rendition_that_no_recipe_makes_is_not_found(api, gallery):
    assert shown_status(api, f"/photos/{make_photo(gallery).pk}/poster/{OLD}") == 404


def test_nothing_stands_in_for_strangers(stranger_api, gallery):
    photo = make_photo(gallery)
    photo.renditions.all().delete()

    assert shown_status(stranger_api, url_of(photo, GRID)) == 404


def shown_status(api, url: str) -> int:
    return api.client.get(url, headers=api.headers).status_code
