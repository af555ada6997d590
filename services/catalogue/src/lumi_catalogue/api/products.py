"""ProductService: what the shop offers."""

from google.protobuf.empty_pb2 import Empty
from lumi.catalogue.v1.product_pb2 import (
    CreateProductRequest,
    DeleteProductRequest,
    GetProductBySlugRequest,
    GetProductRequest,
    ListProductsRequest,
    ListProductsResponse,
    Product,
    PublishProductRequest,
    PurgeProductRequest,
    UndeleteProductRequest,
)
from lumi.catalogue.v1.product_pb2_grpc import ProductServiceServicer

from lumi_catalogue.api import convert
from lumi_catalogue.api.access import sees_drafts
from lumi_catalogue.domain.product import ProductStatus
from lumi_catalogue.storage import products
from lumi_catalogue.storage.products import ProductRepository
from lumi_catalogue.workflows.removal import Removal
from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database


class ProductService(ProductServiceServicer):
    def __init__(self, db: Database, clock: Clock, removal: Removal) -> None:
        self._db, self._clock, self._removal = db, clock, removal
        self._reads = products.ProductReads(db)

    async def CreateProduct(self, request: CreateProductRequest, context: Context) -> Product:
        product = convert.product_from_proto(request.product, id=cuid(), now=self._clock())
        async with self._db.once(request, context) as once:
            await products.create(once, product, convert.product_to_proto(product))
        return once.answer

    async def GetProduct(self, request: GetProductRequest, context: Context) -> Product:
        return convert.product_to_proto(await self._reads.by_id(request.id, drafts=sees_drafts(context)))

    async def GetProductBySlug(self, request: GetProductBySlugRequest, context: Context) -> Product:
        return convert.product_to_proto(await self._reads.by_slug(request.slug, drafts=sees_drafts(context)))

    async def ListProducts(self, request: ListProductsRequest, context: Context) -> ListProductsResponse:
        shown = convert.status_from_proto(request.status) if sees_drafts(context) else ProductStatus.ACTIVE
        page = await products.PRODUCTS.page(
            self._db,
            products.product,
            size=request.page_size,
            token=request.page_token,
            status=shown,
            category_id=request.category_id or None,
        )
        return ListProductsResponse(
            products=map(convert.product_to_proto, page.items), next_page_token=page.next_page_token
        )

    async def PublishProduct(self, request: PublishProductRequest, context: Context) -> Product:
        async with self._db.command(request, context) as command:
            if command.fresh:
                repository = ProductRepository(command)
                product = await repository.lock(request.id)
                sold = await products.has_variants(command, request.id)
                if product.publish(has_variants=sold, etag=request.etag):
                    await repository.save(product, "product.published")
                published = await products.by_id(command, request.id, drafts=True)
                command.answer = convert.product_to_proto(published)
        return command.answer

    async def DeleteProduct(self, request: DeleteProductRequest, context: Context) -> Product:
        async with self._db.command(request, context) as command:
            if command.fresh:
                product = await products.lock(command, request.id)
                product.delete(self._clock(), request.etag)
                deleted = await products.save(command, product, "product.deleted")
                command.answer = convert.product_to_proto(deleted)
        return command.answer

    async def UndeleteProduct(self, request: UndeleteProductRequest, context: Context) -> Product:
        async with self._db.command(request, context) as command:
            if command.fresh:
                product = await products.any_by_id(command, request.id, lock=True)
                if product.undelete(request.etag):
                    product = await products.save(command, product, "product.undeleted")
                command.answer = convert.product_to_proto(product)
        return command.answer

    async def PurgeProduct(self, request: PurgeProductRequest, context: Context) -> Empty:
        async with self._db.once(request, context) as once:
            if not await once.recall():
                command = self._db.command(request, context)
                command.answer = Empty()
                await self._removal.of_product(command, request.id, request.etag)
                once.answer = command.answer
        return once.answer
