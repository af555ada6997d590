"""References across services are declared beside the column, and those that cannot hold are refused."""

import pytest
from sqlalchemy import Column, ForeignKey, MetaData, Table

from lumi_common.db.references import OnDelete, Reference, references, refers_to
from lumi_common.db.tables import id_column, identifier, schema


def table(*columns: Column[str]) -> MetaData:
    metadata = schema("orders")
    Table("carts", metadata, id_column())
    Table("orders", metadata, id_column(), *columns)
    return metadata


def test_a_reference_is_found_with_its_column() -> None:
    user = Column("user_id", identifier, info=refers_to("identity.users", "SET NULL"))
    address = Column("address_id", identifier, info=refers_to("identity.addresses", "SET NULL", "address"))
    kept = Column("address", identifier)

    assert list(references(table(user, address, kept))) == [
        (user, Reference("identity.users", "SET NULL")),
        (address, Reference("identity.addresses", "SET NULL", ("address",))),
    ]
    assert Reference("identity.users", "SET NULL").context == "identity"


@pytest.mark.parametrize(
    ("target", "rule", "snapshot", "nullable", "complaint"),
    [
        ("users", "CASCADE", (), True, "no context.table"),
        ("orders.carts", "CASCADE", (), True, "a foreign key"),
        ("identity.users", "SET NULL", (), False, "must be nullable"),
        ("identity.users", "CASCADE", ("name",), True, "does not have"),
    ],
)
def test_a_reference_that_cannot_hold_is_refused(
    target: str, rule: OnDelete, snapshot: tuple[str, ...], nullable: bool, complaint: str
) -> None:
    column = Column("user_id", identifier, nullable=nullable, info=refers_to(target, rule, *snapshot))

    with pytest.raises(ValueError, match=complaint):
        list(references(table(column)))


def test_a_column_is_not_a_foreign_key_and_a_reference_at_once() -> None:
    key = ForeignKey("orders.carts.id")

    with pytest.raises(ValueError, match="both"):
        list(references(table(Column("cart_id", identifier, key, info=refers_to("identity.users", "CASCADE")))))
