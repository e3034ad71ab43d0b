"""What a gallery takes: its own bounds within the product's, the same at the batch and after the one read."""

import json

import pytest

from dev.places import ROOT
from galleries import lifecycle
from galleries.errors import BadRequest
from galleries.models import Gallery, Photo
from galleries.ports import Profile
from galleries.renditions import GRID, VIEW
from tests.builders import file_out, jpeg, make_photo, uploaded
from uploads.limits import MAX_FILE_BYTES, MAX_GALLERY_PHOTOS, MAX_PIXELS
from uploads.media_types import ACCEPTED
from uploads.models import Upload
from uploads.profile import objections, profile_of
from uploads.verify import claim_next, verify

pytestmark = pytest.mark.django_db
PIXELS = 64 * 48
RENDITIONS = [
    {"name": "view", "media_type": "image/jpeg", "longest_side_px": 1600, "recipe": VIEW.digest},
    {"name": "grid", "media_type": "image/webp", "longest_side_px": 400, "recipe": GRID.digest},
]
VECTORS = json.loads((ROOT / "tests/vectors/profile.json").read_text())


def narrow(gallery, **columns):
    Gallery.objects.filter(pk=gallery.pk).update(**columns)


def codes(rows):
    return [row["error"] and row["error"]["code"] for row in rows]


def end_of(gallery, content, developer) -> Upload:
    upload = uploaded(gallery, content)
    verify(claim_next(), developer)
    return Upload.objects.get(pk=upload.pk)


def test_a_gallery_takes_what_the_product_takes_until_told_otherwise(api, gallery):
    assert api.get(f"/galleries/{gallery.pk}").body["profile"] == {
        "media_types": sorted(ACCEPTED), "max_file_bytes": MAX_FILE_BYTES, "min_pixels": 1,
        "max_pixels": MAX_PIXELS, "max_side_px": 30_000, "max_photos": MAX_GALLERY_PHOTOS,
        "renditions": RENDITIONS,
    }  # fmt: skip


def test_the_owner_narrows_it_and_widens_it_again(api, gallery):
    narrower = {
        "media_types": ["image/jpeg"], "max_file_bytes": 50_000_000, "min_pixels": 5_000_000,
        "max_pixels": 60_000_000, "max_photos": 10,
    }  # fmt: skip

    narrowed = api.patch(f"/galleries/{gallery.pk}", {"profile": narrower})
    widened = api.patch(f"/galleries/{gallery.pk}", {"profile": dict.fromkeys(narrower)})

    assert narrowed.body["profile"] == {**narrower, "max_side_px": 30_000, "renditions": RENDITIONS}
    assert widened.body["profile"]["media_types"] == sorted(ACCEPTED)
    assert widened.body["profile"]["max_photos"] == MAX_GALLERY_PHOTOS


def test_what_is_not_named_stays(api, gallery):
    api.patch(f"/galleries/{gallery.pk}", {"profile": {"min_pixels": 7}})

    answer = api.patch(f"/galleries/{gallery.pk}", {"profile": {"max_photos": 3}})

    assert (answer.body["profile"]["min_pixels"], answer.body["profile"]["max_photos"]) == (7, 3)


@pytest.mark.parametrize(
    "profile",
    [
        {"media_types": ["image/svg+xml"]}, {"min_pixels": 2, "max_pixels": 1}, {"max_photos": 0},
        {"max_file_bytes": -1}, {"min_pixels": 2**31}, {"max_pixels": "many"}, {"media_types": "image/jpeg"},
    ],
)  # fmt: skip
def test_what_is_no_profile_changes_nothing(api, gallery, profile):
    before = api.get(f"/galleries/{gallery.pk}").body

    answer = api.patch(f"/galleries/{gallery.pk}", {"profile": profile})

    assert (answer.status, answer.code) == (422, "bad_request")
    assert api.get(f"/galleries/{gallery.pk}").body == before


def test_a_profile_can_be_sent_back_as_it_came(api, gallery):
    profile = api.get(f"/galleries/{gallery.pk}").body["profile"]

    answer = api.patch(f"/galleries/{gallery.pk}", {"profile": profile})

    assert (answer.status, answer.body["profile"]) == (200, profile)


@pytest.mark.parametrize("name", ["max_file_bytes", "max_pixels", "max_photos"])
@pytest.mark.parametrize("bound", [2**31, 2**31 + 1, 2**63 - 1, 2**63, 2**70])
def test_a_number_larger_than_the_products_means_no_more_than_that(api, gallery, name, bound):
    before = api.get(f"/galleries/{gallery.pk}").body["profile"]

    answer = api.patch(f"/galleries/{gallery.pk}", {"profile": {name: bound}})

    assert (answer.status, answer.body["profile"]) == (200, before)


def test_kinds_are_kept_once_and_in_order(api, gallery):
    given = ["image/png", "image/jpeg", "image/png"]

    api.patch(f"/galleries/{gallery.pk}", {"profile": {"media_types": given}})

    assert Gallery.objects.get().only_types == ["image/jpeg", "image/png"]


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 422)])
def test_no_more_kinds_are_named_than_there_are(api, gallery, more, status):
    given = ["image/jpeg"] * (len(ACCEPTED) + more)

    assert api.patch(f"/galleries/{gallery.pk}", {"profile": {"media_types": given}}).status == status


def test_a_new_least_is_held_against_the_most_that_is_there(api, gallery):
    api.patch(f"/galleries/{gallery.pk}", {"profile": {"max_pixels": 100}})

    assert api.patch(f"/galleries/{gallery.pk}", {"profile": {"min_pixels": 100}}).status == 200
    assert api.patch(f"/galleries/{gallery.pk}", {"profile": {"min_pixels": 101}}).status == 422


def test_bounds_are_compared_with_those_another_call_has_set_meanwhile(gallery):
    """Both calls had found the gallery without any."""
    read_before = Gallery.objects.get(pk=gallery.pk)
    lifecycle.change(gallery, {"min_pixels": 1000})

    with pytest.raises(BadRequest):
        lifecycle.change(read_before, {"max_pixels": 500})

    assert Gallery.objects.get(pk=gallery.pk).max_pixels is None


def test_no_gallery_takes_more_than_the_product(gallery):
    narrow(
        gallery,
        max_file_bytes=MAX_FILE_BYTES + 1,
        max_pixels=MAX_PIXELS + 1,
        max_photos=MAX_GALLERY_PHOTOS + 1,
    )

    profile = profile_of(Gallery.objects.get(pk=gallery.pk))

    assert (profile.max_file_bytes, profile.max_pixels, profile.max_photos) == (
        MAX_FILE_BYTES, MAX_PIXELS, MAX_GALLERY_PHOTOS,
    )  # fmt: skip


@pytest.mark.parametrize(("size", "code"), [(999, None), (1_000, None), (1_001, "file_too_large")])
def test_bytes_are_taken_to_the_last(api, gallery, size, code):
    narrow(gallery, max_file_bytes=1_000)

    assert codes(api.batch(gallery, file_out(size=size))) == [code]


def test_a_kind_that_is_not_taken_is_refused_by_name(api, gallery):
    narrow(gallery, only_types=["image/jpeg", "image/png"])

    rows = api.batch(gallery, file_out(name="a.jpg"), file_out(name="a.png"), file_out(name="a.cr3"))

    assert codes(rows) == [None, None, "type_not_taken"]
    assert rows[2]["error"]["details"]["taken"] == ["image/jpeg", "image/png"]


def test_what_it_really_is_counts(gallery, developer):
    narrow(gallery, only_types=["image/png"])

    upload = end_of(gallery, jpeg(1), developer)

    assert (upload.state, upload.error_code) == ("failed", "type_not_taken")


@pytest.mark.parametrize(("photos", "code"), [(2, "gallery_full"), (3, None), (4, None)])
def test_photos_are_taken_to_the_last(api, gallery, photos, code):
    make_photo(gallery)
    make_photo(gallery)
    narrow(gallery, max_photos=photos)

    assert codes(api.batch(gallery, file_out())) == [code]


def test_of_a_batch_as_many_are_taken_as_fit(api, gallery):
    narrow(gallery, max_photos=2)

    rows = api.batch(gallery, *(file_out() for _ in range(3)))

    assert codes(rows) == [None, None, "gallery_full"]


def test_what_is_there_is_no_new_photo_of_a_full_gallery(api, gallery):
    file = file_out()
    api.batch(gallery, file)
    narrow(gallery, max_photos=1)

    assert codes(api.batch(gallery, file, file_out())) == [None, "gallery_full"]


@pytest.mark.parametrize(("least", "code"), [(PIXELS - 1, ""), (PIXELS, ""), (PIXELS + 1, "too_few_pixels")])
def test_a_photo_has_pixels_enough_to_the_last(gallery, developer, least, code):
    narrow(gallery, min_pixels=least)

    upload = end_of(gallery, jpeg(1), developer)

    assert upload.error_code == code
    assert Photo.objects.exists() == (not code)


@pytest.mark.parametrize(("most", "code"), [(PIXELS - 1, "too_many_pixels"), (PIXELS, ""), (PIXELS + 1, "")])
def test_a_photo_has_not_too_many_pixels_to_the_last(gallery, developer, most, code):
    narrow(gallery, max_pixels=most)

    upload = end_of(gallery, jpeg(1), developer)

    assert upload.error_code == code
    assert upload.error_details == ({"width": 64, "height": 48, "limit_pixels": most} if code else {})


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["name"])
def test_all_that_speaks_against_a_file_is_what_the_browser_says(vector):
    bounds = VECTORS["profile"]
    profile = Profile(**{**bounds, "media_types": tuple(bounds["media_types"])})

    against = objections(
        profile,
        size_bytes=vector["size"], media_type=vector["type"], width=vector["width"], height=vector["height"],
    )  # fmt: skip

    assert [each.code for each in against] == vector["reasons"]


def test_a_batch_names_all_that_can_be_known_before_a_byte_is_sent(api, gallery):
    narrow(gallery, only_types=["image/jpeg"], max_file_bytes=50_000_000)

    [row] = api.batch(gallery, file_out(name="a.png", size=60_000_000, type="image/png"))

    assert row["error"]["code"] == "file_too_large"
    assert row["error"]["details"]["reasons"] == ["file_too_large", "type_not_taken"]


def test_one_reason_stands_alone(api, gallery):
    narrow(gallery, max_file_bytes=1_000)

    [row] = api.batch(gallery, file_out(size=1_001))

    assert row["error"]["details"] == {"declared_bytes": 1_001, "limit_bytes": 1_000}


def test_a_file_that_was_sent_all_the_same_ends_with_every_reason(api, gallery, developer):
    content = jpeg(1)
    narrow(gallery, only_types=["image/png"], max_file_bytes=len(content) - 1, min_pixels=PIXELS + 1)

    upload = end_of(gallery, content, developer)

    [row] = api.get(f"/galleries/{gallery.pk}/uploads").body["uploads"]
    assert (upload.state, upload.error_code) == ("failed", "file_too_large")
    assert row["error"]["details"]["reasons"] == ["file_too_large", "type_not_taken", "too_few_pixels"]
    assert not Photo.objects.exists()


def test_a_file_beyond_decoding_still_says_what_its_gallery_has_against_it(gallery, developer):
    narrow(gallery, only_types=["image/png"])

    upload = end_of(gallery, jpeg(1)[:200], developer)

    assert upload.error_code == "type_not_taken"
    assert upload.error_details["reasons"] == ["type_not_taken", "damaged_photo"]
