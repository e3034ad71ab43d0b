"""docs/broker.md says what the code does: functions with their parameters and answers, calls, codes, rules."""

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.api import api as ninja_api
from uploads import errors, verify
from uploads.errors import UploadError
from uploads.wire import known_errors

PAGE = (Path(__file__).parents[2] / "docs" / "broker.md").read_text(encoding="utf-8")
SIGNATURE = re.compile(r"^`((?:uploads|galleries)\.[\w.]+)\((.*)\) -> (.+)`$", re.MULTILINE)
NAME = re.compile(r"`((?:uploads|galleries)(?:\.\w+)+)")
CALL = re.compile(r"`(GET|POST|PATCH|DELETE) (/api/[^` ]*)`")
CODES = re.compile(r"^- (?:Refuses|Refuses the whole|Ends with|Put back for): (.+)$", re.MULTILINE)
SECTION = re.compile(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
OPERATION = re.compile(r"^\| [^|]+ \| `(uploads[\w.]+)` \|", re.MULTILINE)


def found(dotted: str) -> Any:
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def parameters_of(function: Callable[..., Any]) -> str:
    names: list[str] = []
    for each in inspect.signature(function).parameters.values():
        if each.kind is each.KEYWORD_ONLY and "*" not in names:
            names.append("*")
        names.append(each.name)
    return ", ".join(names)


def answer_of(function: Callable[..., Any]) -> str:
    """As it is written: without the modules of its words, but for those of the standard library."""
    written = inspect.formatannotation(inspect.signature(function).return_annotation)
    return re.sub(r"\b(?:uploads|galleries)\.(?:\w+\.)*", "", written)


@pytest.mark.parametrize(("name", "parameters", "answer"), SIGNATURE.findall(PAGE))
def test_every_function_is_as_the_page_has_it(name, parameters, answer):
    function = found(name)

    assert parameters_of(function) == parameters
    assert answer_of(function) == answer
    assert function.__doc__, name


def test_every_name_on_the_page_is_there():
    names = set(NAME.findall(PAGE))

    assert len(names) > 15
    for name in names:
        assert found(name)


def test_every_operation_is_described_with_its_function():
    described = {name for name, _, _ in SIGNATURE.findall(PAGE)}

    assert set(OPERATION.findall(PAGE)) <= described


def test_every_call_on_the_page_is_one_of_the_api():
    documented = {
        (method.upper(), path)
        for path, methods in ninja_api.get_openapi_schema()["paths"].items()
        for method in methods
    }

    assert set(CALL.findall(PAGE)) <= documented


def test_every_code_on_the_page_is_known():
    codes = {code for line in CODES.findall(PAGE) for code in re.findall(r"`(\w+)`", line)}

    assert codes - set(known_errors()) - {"resumable_status"} == set()


def test_every_operation_says_what_repeating_it_does():
    for title, text in SECTION.findall(PAGE):
        assert "\n- Repeated: " in text, title


def test_what_is_put_back_is_what_passes():
    line = re.search(r"^- Put back for: (.+)$", PAGE, re.MULTILINE)[1]

    assert set(re.findall(r"`(\w+)`", line)) == set(verify.PASSING_CODES)


def test_no_refusal_of_an_item_is_left_out():
    """Those of the two doors of the local store answer a request for bytes, which is no operation of the broker."""
    told = set(re.findall(r"`(\w+)`", PAGE))
    of_items = {
        cls.code for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, UploadError)
        if "code" in vars(cls)
    }  # fmt: skip
    of_doors = {
        "url_refused", "url_expired", "length_required", "already_stored", "body_too_slow",
        "bad_range", "range_gap", "session_taken",
    }  # fmt: skip
    ends_of_publications = {"cancelled", "expired"}

    assert of_items - of_doors - ends_of_publications - told == set()
