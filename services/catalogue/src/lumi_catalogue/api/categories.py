"""CategoryService: the tree that products are found by."""

from google.protobuf.empty_pb2 import Empty
from lumi.catalogue.v1.category_pb2 import (
    Category,
    CreateCategoryRequest,
    DeleteCategoryRequest,
    GetCategoryRequest,
    ListCategoriesRequest,
    ListCategoriesResponse,
)
from lumi.catalogue.v1.category_pb2_grpc import CategoryServiceServicer

from lumi_catalogue.api import convert
from lumi_catalogue.storage import removals
from lumi_catalogue.storage.categories import CATEGORIES, CategoryRepository
from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database


class CategoryService(CategoryServiceServicer):
    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def CreateCategory(self, request: CreateCategoryRequest, context: Context) -> Category:
        category = convert.category_from_proto(request.category, id=cuid(), now=self._clock())
        async with self._db.once(request, context) as once:
            await CategoryRepository.insert_once(
                once, category, "category.created", convert.category_to_proto(category)
            )
        return once.answer

    async def GetCategory(self, request: GetCategoryRequest, context: Context) -> Category:
        return convert.category_to_proto(await CategoryRepository(self._db).get(request.id))

    async def ListCategories(self, request: ListCategoriesRequest, context: Context) -> ListCategoriesResponse:
        page = await CATEGORIES.page(
            self._db,
            CategoryRepository.row,
            size=request.page_size,
            token=request.page_token,
            parent_id=request.parent_id or None,
        )
        return ListCategoriesResponse(
            categories=map(convert.category_to_proto, page.items), next_page_token=page.next_page_token
        )

    async def DeleteCategory(self, request: DeleteCategoryRequest, context: Context) -> Empty:
        async with self._db.command(request, context) as command:
            if command.fresh:
                await removals.remove_category(command, request.id)
                command.answer = Empty()
        return command.answer
