"""The rules' words, the comments' parts, and the files of the page."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from buf.validate.validate_pb2 import FieldRules
from google.protobuf.text_format import Parse
from google.rpc.error_details_pb2 import ErrorInfo

from lumi_openapi import bounds
from lumi_openapi.contract import Comments, Fault, methods
from lumi_openapi.page import write_page
from lumi_openapi.samples import sample_id
from lumi_openapi.schemas import Schemas
from lumi_openapi.texts import Told, json_names, rule, told


def rules(text: str) -> FieldRules:
    found: FieldRules = Parse(text, FieldRules())
    return found


@pytest.mark.parametrize(
    ("declared", "keywords"),
    [
        ("string {min_len: 1 max_len: 9}", {"minLength": 1, "maxLength": 9}),
        ('string {pattern: "^[A-Z]{2}$"}', {"pattern": "^[A-Z]{2}$"}),
        ('string {pattern: "^[A-Z]{2}$"} ignore: IGNORE_IF_ZERO_VALUE', {"pattern": "^$|^[A-Z]{2}$"}),
        ("string {min_len: 3} ignore: IGNORE_IF_ZERO_VALUE", {"anyOf": [{"const": ""}, {"minLength": 3}]}),
        ('string {in: ["a", "b"]}', {"enum": ["a", "b"]}),
        ("string {email: true max_len: 254}", {"maxLength": 254, "format": "email"}),
        ("int32 {gte: 1 lt: 9}", {"minimum": 1, "exclusiveMaximum": 9}),
        ("int32 {not_in: [0]}", {"not": {"enum": [0]}}),
        ("string {min_len: 1} ignore: IGNORE_ALWAYS", {}),
        ("", {}),
    ],
)
def test_bounds_become_keywords(declared: str, keywords: dict[str, Any]):
    assert bounds.of_value(rules(declared)) == keywords


def test_a_list_has_bounds_of_its_own():
    found = bounds.of_list(rules("repeated {min_items: 1 max_items: 50 unique: true}"))

    assert found == {"minItems": 1, "maxItems": 50, "uniqueItems": True}


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ('cel {message: "at most ten"}', ["at most ten"]),
        ("int64 {gte: 0 lte: 1000000}", ["must be at least 0 and at most 1,000,000"]),
        ("timestamp {gte {seconds: 946684800}}", ["from 2000-01-01T00:00:00Z"]),
    ],
)
def test_what_has_no_keyword_is_told_in_words(declared: str, words: list[str]):
    assert list(bounds.in_words(rules(declared))) == words


def test_a_map_is_an_object_of_its_values():
    (field,) = [field for field in ErrorInfo.DESCRIPTOR.fields if field.name == "metadata"]

    found = Schemas(Comments.compiled(), methods()).field(field)

    assert found == {"type": "object", "additionalProperties": {"type": "string"}}


def test_a_comment_is_taken_apart():
    said = "Makes a cart: an empty one. It is theirs. NOT_FOUND when there is none. ABORTED ETAG_MISMATCH too."

    assert told(said) == Told(
        "Makes a cart",
        "Makes a cart: an empty one. It is theirs.",
        "NOT_FOUND when there is none. ABORTED ETAG_MISMATCH too.",
    )
    assert told("One order. NOT_FOUND.") == Told("One order", "", "NOT_FOUND.")
    assert told("") == Told("", "", "")


def test_fields_are_named_as_json_names_them_and_metadata_as_they_are():
    said = "stale `page_token`; metadata `cart_id` and `page_token`, not `other_thing`"

    assert json_names(said, {"page_token", "cart_id"}) == (
        "stale `pageToken`; metadata `cart_id` and `page_token`, not `other_thing`"
    )


def test_a_rule_is_a_sentence():
    assert rule("needs one of address_id and address") == "Needs one of `address_id` and address."


def test_ids_are_cuids_and_alike_wherever_they_stand():
    assert sample_id("order") == sample_id("order") != sample_id("cart")
    assert len(sample_id("order")) == 25


def test_the_page_is_all_there_and_packed(tmp_path: Path):
    document = tmp_path / "openapi.json"
    document.write_text("{}")

    write_page(tmp_path / "page", document)

    files = {file.name: file.read_bytes() for file in (tmp_path / "page").iterdir()}
    named = {"index.html", "start.js", "page.css", "icon.svg", "openapi.json", "swagger-ui.css", "swagger-ui-bundle.js"}
    assert named <= files.keys()
    for name in named:
        assert gzip.decompress(files[f"{name}.gz"]) == files[name]
        if name != "index.html":
            assert f"/docs/{name}".encode() in files["index.html"] + files["start.js"]
    assert b"://" not in files["index.html"] + files["start.js"] + files["page.css"]


def test_a_page_without_a_document_is_refused(tmp_path: Path):
    with pytest.raises(Fault, match="make generate"):
        write_page(tmp_path / "page", tmp_path / "openapi.json")


def test_what_is_committed_is_what_the_protos_make():
    done = subprocess.run([sys.executable, "-m", "lumi_openapi", "--check"], stderr=subprocess.PIPE, text=True)

    assert done.returncode == 0, done.stderr
