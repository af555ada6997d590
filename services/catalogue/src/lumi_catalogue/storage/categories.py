"""The SQL of categories."""

from sqlalchemy import Text, bindparam, select

from lumi_catalogue.domain.category import Category
from lumi_catalogue.storage.tables import CATEGORY, categories, common
from lumi_common.db.page import Listing
from lumi_common.db.repository import Repository

_c = categories.c


class CategoryRepository(Repository[Category]):
    """Categories by id."""

    aggregate, common, entity = CATEGORY, common, Category


CATEGORIES = Listing(
    select(*(_c[name] for name in CategoryRepository._names)),
    _c.id,
    {"parent_id": _c.parent_id == bindparam("parent_id", type_=Text)},
)
