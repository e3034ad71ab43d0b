"""The pages of the galleries: who sees what, what forms do, and that nothing inline slips past the policy."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.utils import timezone

from galleries.access import MAY, Action, Role
from galleries.curation import delete_photos
from galleries.models import Gallery, Photo, PhotoStatus
from tests.builders import make_gallery, make_photo

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries

    from accounts.models import User


@pytest.fixture
def owner_page(owner: User) -> Client:
    return signed_in(owner)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


# works


def test_a_visitor_is_told_what_this_is_and_how_to_begin(client, db):
    answer = client.get("/")

    assert answer.status_code == HTTPStatus.OK
    assert "/accounts/signup/" in answer.text


def test_the_start_of_somebody_signed_in_is_the_list(owner_page):
    assert owner_page.get("/").headers["Location"] == "/galleries/"


def test_the_list_shows_titles_counts_sizes_and_states(owner_page, owner):
    gallery = make_gallery(owner, title="Island <summer>")
    make_photo(gallery, content=b"x" * 1_500_000)

    page = owner_page.get("/galleries/").text

    assert "Island &lt;summer&gt;" in page
    assert "1 photo<" in page
    assert "1.5\N{NO-BREAK SPACE}MB<" in page


def test_the_list_says_how_many_photos_wait_to_be_published(owner_page, owner):
    waiting, none = make_gallery(owner, auto_publish=False), make_gallery(owner)
    for _ in range(2):
        make_photo(waiting, status=PhotoStatus.STAGED)
    make_photo(none)

    page = owner_page.get("/galleries/").text

    assert re.search(r'<p class="card-staged quiet" data-count="2">2 wait to be published</p>', page)
    assert page.count("hidden>0 wait to be published") == 1


def test_an_owner_without_galleries_is_told_how_to_begin(owner_page):
    assert "No galleries yet" in owner_page.get("/galleries/").text


@pytest.mark.parametrize("path", ["/galleries/", "/accounts/logout/"])
def test_signing_out_loads_a_whole_page_so_that_nothing_of_the_person_stays(owner_page, path):
    forms = re.findall(r'<form[^>]*action="/accounts/logout/"[^>]*>', owner_page.get(path).text)

    assert forms
    assert all('data-turbo="false"' in form for form in forms)


def test_a_gallery_is_created_and_shown(owner_page, owner):
    answer = owner_page.post("/galleries/", {"title": "  Wedding  "})

    gallery = Gallery.objects.get(owner=owner)
    assert gallery.title == "Wedding"
    assert answer.headers["Location"] == f"/galleries/{gallery.pk}/"


def test_the_page_of_a_gallery_brings_its_first_photos(owner_page, gallery):
    photo = make_photo(gallery)

    page = owner_page.get(f"/galleries/{gallery.pk}/").text

    assert str(photo.pk) in page
    assert 'data-gallery-state="form"' in page


def test_the_page_of_a_photo_names_it_for_scripts_and_shows_it_without(owner_page, gallery):
    photo = make_photo(gallery)

    page = owner_page.get(f"/galleries/{gallery.pk}/photos/{photo.pk}/").text

    assert f'data-photo-shown="{photo.pk}"' in page
    assert re.search(rf'<noscript>.*<img src="/photos/{photo.pk}/', page, re.DOTALL)


def test_a_gallery_is_renamed_from_the_list_and_nothing_else_changes(owner_page, owner):
    gallery = make_gallery(owner, title="Old", auto_publish=False, sort="name")

    owner_page.post(f"/galleries/{gallery.pk}/change/", {"title": "New", "back": "list"})

    gallery.refresh_from_db()
    assert (gallery.title, gallery.auto_publish, gallery.sort) == ("New", False, "name")


def test_the_settings_of_a_gallery_are_saved_whole(owner_page, gallery):
    form = {"title": gallery.title, "sort": "added", "keep_location": "on"}

    owner_page.post(f"/galleries/{gallery.pk}/change/", form)

    gallery.refresh_from_db()
    assert (gallery.sort, gallery.auto_publish, gallery.keep_location) == ("added", False, True)


@pytest.mark.parametrize("keep_location", [True, False])
def test_saving_the_settings_that_are_shown_changes_nothing_that_is_not(owner_page, owner, keep_location):
    gallery = make_gallery(owner, keep_location=keep_location)
    page = owner_page.get(f"/galleries/{gallery.pk}/").text
    hidden = dict(re.findall(r'<input type="hidden" name="(keep_location)" value="(on)">', page))

    owner_page.post(f"/galleries/{gallery.pk}/change/", {"title": "T", "sort": "added", **hidden})

    gallery.refresh_from_db()
    assert gallery.keep_location == keep_location
    assert "others download" not in page


def test_a_title_in_another_direction_turns_nothing_around_it(owner_page, owner):
    gallery = make_gallery(owner, title="\N{HEBREW LETTER ALEF} 2026")

    pages = [owner_page.get(path).text for path in ("/galleries/", f"/galleries/{gallery.pk}/")]

    assert f"<bdi>{gallery.title}</bdi>" in pages[0]
    assert f'<h1 dir="auto">{gallery.title}</h1>' in pages[1]


def test_a_deleted_gallery_leaves_the_list_and_says_for_how_long_it_is_kept(owner_page, gallery):
    answer = owner_page.post(f"/galleries/{gallery.pk}/delete/", follow=True)

    assert "24 hours" in answer.text
    assert f'data-gallery-id="{gallery.pk}"' not in answer.text


def test_a_gallery_deleted_by_mistake_is_brought_back_from_the_notice(owner_page, gallery):
    photo = make_photo(gallery)
    notice = owner_page.post(f"/galleries/{gallery.pk}/delete/", follow=True).text
    assert f'action="/galleries/{gallery.pk}/restore/"' in notice

    answer = owner_page.post(f"/galleries/{gallery.pk}/restore/", follow=True)

    assert answer.status_code == HTTPStatus.OK
    assert str(photo.pk) in answer.text


# variants


@pytest.mark.parametrize(("count", "has_more"), [(2, False), (3, False), (4, True)])
def test_the_first_page_ends_at_its_limit(owner_page, gallery, count, has_more, monkeypatch):
    monkeypatch.setattr("galleries.views.FIRST_PAGE_PHOTOS", 3)
    for _ in range(count):
        make_photo(gallery)

    page = owner_page.get(f"/galleries/{gallery.pk}/").context["first_page"]

    assert len(page["photos"]) == min(count, 3)
    assert (page["next_cursor"] is not None) == has_more


def test_only_published_photos_are_brought(owner_page, gallery):
    staged = make_photo(gallery, status=PhotoStatus.STAGED)

    assert str(staged.pk) not in owner_page.get(f"/galleries/{gallery.pk}/").text


@pytest.mark.parametrize(("count", "words"), [(1, "1 photo waits"), (2, "2 photos wait")])
def test_an_owner_is_told_at_once_how_many_photos_wait(owner_page, owner, count, words):
    gallery = make_gallery(owner, auto_publish=False)
    for _ in range(count):
        make_photo(gallery, status=PhotoStatus.STAGED)

    page = owner_page.get(f"/galleries/{gallery.pk}/").text

    assert f"{words} to be published." in page
    assert re.search(r'data-part="staged" data-count="\d" aria-label="Not published">', page)
    assert 'data-part="empty" hidden' in page


def test_a_photo_that_is_not_published_has_a_page_for_who_may_publish_it(owner_page, gallery):
    staged = make_photo(gallery, status=PhotoStatus.STAGED)

    answer = owner_page.get(f"/galleries/{gallery.pk}/photos/{staged.pk}/")

    assert f'data-photo-shown="{staged.pk}"' in answer.text


def test_publish_is_offered_only_where_photos_do_not_publish_themselves(owner_page, owner):
    by_itself, by_hand = make_gallery(owner), make_gallery(owner, auto_publish=False)

    pages = [owner_page.get(f"/galleries/{each.pk}/").text for each in (by_itself, by_hand)]

    assert ['data-action="publish"' in page for page in pages] == [False, True]


def test_the_list_asks_the_same_number_of_queries_for_one_gallery_and_for_many(
    owner_page, owner, django_assert_max_num_queries: DjangoAssertNumQueries
):
    make_photo(make_gallery(owner))
    with django_assert_max_num_queries(12) as few:
        owner_page.get("/galleries/")
    for _ in range(5):
        make_photo(make_gallery(owner))

    with django_assert_max_num_queries(len(few)):
        owner_page.get("/galleries/")


# refuses the wrong person


@pytest.mark.parametrize(
    "path", ["/galleries/", "/galleries/{gallery}/", "/galleries/{gallery}/photos/{gallery}/"]
)
def test_whoever_is_not_signed_in_is_sent_to_sign_in_and_back(client, gallery, path):
    path = path.format(gallery=gallery.pk)

    assert client.get(path).headers["Location"] == f"/accounts/login/?next={path}"


@pytest.mark.parametrize("path", ["", "change/", "delete/", "restore/", "photos/restore/"])
def test_a_stranger_learns_nothing_of_a_gallery(stranger, gallery, path):
    client = signed_in(stranger)
    call = client.post if path else client.get

    foreign = call(f"/galleries/{gallery.pk}/{path}", {"title": "Mine"})
    unknown = call(f"/galleries/{uuid.uuid4()}/{path}", {"title": "Mine"})

    assert foreign.status_code == unknown.status_code == HTTPStatus.NOT_FOUND
    gallery.refresh_from_db()
    assert gallery.deleted_at is None
    assert gallery.title != "Mine"


def test_a_stranger_does_not_see_a_photo(stranger, gallery):
    photo = make_photo(gallery)

    answer = signed_in(stranger).get(f"/galleries/{gallery.pk}/photos/{photo.pk}/")

    assert answer.status_code == HTTPStatus.NOT_FOUND


def test_a_visitor_sees_nothing_of_what_is_not_published(stranger, owner, monkeypatch):
    gallery = make_gallery(owner, auto_publish=False)
    ready, staged = make_photo(gallery), make_photo(gallery, status=PhotoStatus.STAGED)
    monkeypatch.setitem(MAY, Role.STRANGER, frozenset({Action.VIEW, Action.FETCH_ORIGINAL}))
    visitor = signed_in(stranger)

    page = visitor.get(f"/galleries/{gallery.pk}/")
    paths = ("/galleries/{gallery}/photos/{photo}/", "/photos/{photo}/grid/0", "/photos/{photo}/original")
    seen = [
        [visitor.get(path.format(gallery=gallery.pk, photo=photo.pk)).status_code for path in paths]
        for photo in (ready, staged)
    ]

    assert page.status_code == HTTPStatus.OK
    assert 'data-part="staged"' not in page.text
    assert seen == [[HTTPStatus.OK] * 3, [HTTPStatus.NOT_FOUND] * 3]


def test_a_photo_is_not_found_under_another_gallery(owner_page, owner, gallery):
    photo = make_photo(gallery)

    answer = owner_page.get(f"/galleries/{make_gallery(owner).pk}/photos/{photo.pk}/")

    assert answer.status_code == HTTPStatus.NOT_FOUND


def test_a_deleted_gallery_says_so_to_its_owner_only(owner_page, stranger, owner):
    gallery = make_gallery(owner, deleted_at=timezone.now())

    assert owner_page.get(f"/galleries/{gallery.pk}/").status_code == HTTPStatus.GONE
    assert signed_in(stranger).get(f"/galleries/{gallery.pk}/").status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize(("hours", "is_offered"), [(23, True), (25, False)])
def test_a_deleted_gallery_is_brought_back_from_its_own_page(owner_page, owner, hours, is_offered):
    gallery = make_gallery(owner, deleted_at=timezone.now() - timedelta(hours=hours))

    page = owner_page.get(f"/galleries/{gallery.pk}/").text

    assert (f'action="/galleries/{gallery.pk}/restore/"' in page) == is_offered


@pytest.mark.parametrize(("hours", "is_offered"), [(23, True), (25, False)])
def test_the_list_names_what_was_deleted_within_its_day(owner_page, stranger, owner, hours, is_offered):
    gallery = make_gallery(owner, title="By mistake", deleted_at=timezone.now() - timedelta(hours=hours))

    page, foreign = (client.get("/galleries/").text for client in (owner_page, signed_in(stranger)))

    assert ("By mistake" in page) == is_offered
    assert (f'action="/galleries/{gallery.pk}/restore/"' in page) == is_offered
    assert "By mistake" not in foreign
    assert f'data-gallery-id="{gallery.pk}"' not in page


def test_the_settings_bring_back_what_was_deleted_within_its_day(owner_page, gallery):
    late, *others = [make_photo(gallery) for _ in range(4)]
    delete_photos(gallery.pk, [late.pk, *(photo.pk for photo in others[1:])])
    Photo.objects.filter(pk=late.pk).update(deleted_at=timezone.now() - timedelta(hours=25))

    before = owner_page.get(f"/galleries/{gallery.pk}/").text
    after = owner_page.post(f"/galleries/{gallery.pk}/photos/restore/", follow=True).text

    assert re.search(r'data-part="deleted" data-count="2">', before)
    assert "2 photos</span> deleted in the last 24 hours." in before
    assert "2 photos brought back." in after
    assert re.search(r'data-part="deleted" data-count="0" hidden>', after)
    assert set(Photo.objects.ready()) == set(others)


def test_more_deleted_photos_than_one_transaction_takes_come_back(owner_page, gallery, monkeypatch):
    monkeypatch.setattr("galleries.curation.RESTORED_AT_ONCE", 2)
    photos = [make_photo(gallery) for _ in range(5)]
    delete_photos(gallery.pk, [photo.pk for photo in photos])

    owner_page.post(f"/galleries/{gallery.pk}/photos/restore/")

    assert Photo.objects.ready().count() == len(photos)


def test_deleted_photos_come_back_as_far_as_there_is_room(owner_page, owner):
    gallery = make_gallery(owner, max_photos=2)
    photos = [make_photo(gallery) for _ in range(2)]
    delete_photos(gallery.pk, [photo.pk for photo in photos])
    make_photo(gallery)

    page = owner_page.post(f"/galleries/{gallery.pk}/photos/restore/", follow=True).text

    assert "1 photo brought back." in page
    assert "1 photo not brought back: this gallery has no room for more." in page
    assert Photo.objects.ready().filter(gallery=gallery).count() == 2


# refuses what makes no sense


@pytest.mark.parametrize(("letters", "is_taken"), [(0, False), (1, True), (200, True), (201, False)])
def test_a_title_has_1_to_200_letters(owner_page, letters, is_taken):
    answer = owner_page.post("/galleries/", {"title": "x" * letters})

    assert answer.status_code == (HTTPStatus.FOUND if is_taken else HTTPStatus.UNPROCESSABLE_ENTITY)
    assert Gallery.objects.exists() == is_taken


@pytest.mark.parametrize("title", ["   ", "a\x00b"])
def test_what_is_no_title_changes_nothing(owner_page, gallery, title):
    before = gallery.title

    answer = owner_page.post(f"/galleries/{gallery.pk}/change/", {"title": title}, follow=True)

    gallery.refresh_from_db()
    assert gallery.title == before
    assert "Nothing was changed" in answer.text


def test_an_unknown_order_is_refused_with_a_page(owner_page, gallery):
    answer = owner_page.post(f"/galleries/{gallery.pk}/change/", {"title": "T", "sort": "shuffled"})

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_form_without_its_token_is_a_page_that_says_so(owner):
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")

    answer = client.post("/galleries/", {"title": "T"})

    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "out of date" in answer.text


def test_an_account_that_is_not_staff_is_told_that_it_has_no_access(owner_page):
    answer = owner_page.get("/admin/", follow=True)

    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "This account has no access here" in answer.text
    assert "out of date" not in answer.text


@pytest.mark.parametrize(("hours", "is_restored"), [(23, True), (25, False)])
def test_a_gallery_comes_back_for_24_hours(owner_page, owner, hours, is_restored):
    gallery = make_gallery(owner, deleted_at=timezone.now() - timedelta(hours=hours))

    answer = owner_page.post(f"/galleries/{gallery.pk}/restore/")

    gallery.refresh_from_db()
    assert (gallery.deleted_at is None) == is_restored
    assert answer.status_code == (HTTPStatus.FOUND if is_restored else HTTPStatus.GONE)


def test_looking_deletes_nothing(owner_page, gallery):
    assert owner_page.get(f"/galleries/{gallery.pk}/delete/").status_code == HTTPStatus.METHOD_NOT_ALLOWED


def test_a_wrong_password_answers_what_turbo_shows(client, db):
    answer = client.post("/accounts/login/", {"login": "nobody", "password": "nothing"})

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert 'role="alert"' in answer.text
    assert "This name and this password do not belong together." in answer.text
    assert focused_names(answer.text) == ["password"]


def test_a_field_that_is_wrong_has_the_focus(client, db):
    shown = client.get("/accounts/login/")
    answer = client.post("/accounts/login/", {"login": "", "password": "nothing"})

    assert focused_names(shown.text) == []
    assert focused_names(answer.text) == ["login"]


def focused_names(page: str) -> list[str]:
    inputs = re.findall(r"<input[^>]*\sautofocus[^>]*>", page)
    return [name for each in inputs for name in re.findall(r'name="(\w+)"', each)]


def test_who_forgot_a_password_is_told_where_the_link_is(client, owner):
    owner.email = "owner@example.org"
    owner.save()

    asked = client.get("/accounts/password/reset/")
    sent = client.post("/accounts/password/reset/", {"email": owner.email}, follow=True)

    assert "<h1>Set a new password</h1>" in asked.text
    assert "<h1>Look at your mail</h1>" in sent.text


# the policy


@pytest.mark.parametrize(
    "path",
    ["/", "/nothing", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/galleries/"],
)
def test_no_page_has_a_script_or_a_style_within_it(owner_page, path):
    page = owner_page.get(path, follow=True).text

    assert_nothing_inline(page)


def test_the_page_of_a_gallery_has_data_but_no_script_within_it(owner_page, gallery):
    make_photo(gallery, name="</script><script>alert(1)</script>.jpg")

    page = owner_page.get(f"/galleries/{gallery.pk}/").text

    assert_nothing_inline(page)


def assert_nothing_inline(page: str) -> None:
    scripts = re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", page)
    assert scripts == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", page) == []
