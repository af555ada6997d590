"""Pages stand still while rows come and go."""

from decimal import Decimal

import pytest
from sqlalchemy import Text, bindparam, select

from libs.common.tests.db.widgets import Widget, WidgetRepository, widgets
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database
from lumi_common.db.page import Listing, sealed
from lumi_common.errors import InvalidArgument

ALL = Listing(select(widgets), widgets.c.id, {"user_id": widgets.c.user_id == bindparam("user_id", type_=Text)})


async def fill(database: Database, context: Context, count: int, user: str = "ada") -> list[str]:
    repository = WidgetRepository(database.on(context))
    made = [Widget(cuid(), user, cuid(), None, Decimal(1)) for _ in range(count)]
    return [(await repository.insert(widget, "widget.created")).id for widget in made]


async def test_every_row_is_seen_once_whatever_is_written_in_between(database: Database, context: Context) -> None:
    ids = await fill(database, context, 5)

    first = await ALL.page(database, WidgetRepository.row, size=2)
    await WidgetRepository(database.on(context)).purge(ids[0], "widget.purged")
    second = await ALL.page(database, WidgetRepository.row, size=2, token=first.next_page_token)
    third = await ALL.page(database, WidgetRepository.row, size=2, token=second.next_page_token)

    assert [widget.id for page in (first, second, third) for widget in page.items] == ids
    assert third.next_page_token == ""


async def test_a_filter_that_is_none_does_not_count(database: Database, context: Context) -> None:
    await fill(database, context, 1, "ada")
    [bobs] = await fill(database, context, 1, "bob")

    assert len((await ALL.page(database, WidgetRepository.row, user_id=None)).items) == 2
    assert [widget.id for widget in (await ALL.page(database, WidgetRepository.row, user_id="bob")).items] == [bobs]


@pytest.mark.parametrize("token", ["nonsense", "é", "AAAA", sealed("\0")])
async def test_a_token_that_is_not_ours_is_refused(database: Database, token: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await ALL.page(database, WidgetRepository.row, token=token)

    assert refused.value.field == "page_token"


async def test_a_token_does_not_move_to_another_filter(database: Database, context: Context) -> None:
    await fill(database, context, 3)
    page = await ALL.page(database, WidgetRepository.row, size=1)

    with pytest.raises(InvalidArgument):
        await ALL.page(database, WidgetRepository.row, size=1, token=page.next_page_token, user_id="ada")
