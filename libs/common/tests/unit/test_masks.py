"""Which fields an update changes."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from lumi.common.v1.address_pb2 import PostalAddress

from lumi_common.errors import InvalidArgument
from lumi_common.rpc.convert import masked

_SETTABLE = ("city", "country")


@pytest.mark.parametrize(
    ("paths", "changed"),
    [([], {"city"}), (["country"], {"country"}), (["city", "city"], {"city"})],
    ids=["what is set", "what is named", "named twice"],
)
def test_the_mask_decides_and_without_one_what_is_set(paths: list[str], changed: set[str]) -> None:
    given = PostalAddress(city="London", postal_code="N1")

    assert masked(FieldMask(paths=paths), given, _SETTABLE) == changed


@pytest.mark.parametrize("path", ["postal_code", "nonsense", ""])
def test_a_mask_that_names_anything_else_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument, match="FIELD_MASK_INVALID only city, country can be set") as refused:
        masked(FieldMask(paths=["city", path]), PostalAddress(), _SETTABLE)

    assert refused.value.field == "update_mask"
