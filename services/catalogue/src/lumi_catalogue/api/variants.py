"""VariantService: the forms in which products are sold."""

from google.protobuf.empty_pb2 import Empty
from lumi.catalogue.v1.variant_pb2 import (
    CreateVariantRequest,
    DeleteVariantRequest,
    GetVariantRequest,
    ListVariantsRequest,
    ListVariantsResponse,
    ProductVariant,
    ResolveVariantsRequest,
    ResolveVariantsResponse,
)
from lumi.catalogue.v1.variant_pb2_grpc import VariantServiceServicer

from lumi_catalogue.api import convert
from lumi_catalogue.api.access import sees_drafts
from lumi_catalogue.storage import offers, products, variants
from lumi_catalogue.storage.products import ProductRepository
from lumi_catalogue.workflows.removal import Removal
from lumi_common.clock import Clock
from lumi_common.context import Context
from lumi_common.cuid import cuid
from lumi_common.db.database import Database


class VariantService(VariantServiceServicer):
    def __init__(self, db: Database, clock: Clock, removal: Removal) -> None:
        self._db, self._clock, self._removal = db, clock, removal

    async def CreateVariant(self, request: CreateVariantRequest, context: Context) -> ProductVariant:
        now, product_id = self._clock(), request.product_id
        variant = convert.variant_from_proto(request.variant, id=cuid(), product_id=product_id, now=now)
        async with self._db.command(request, context) as command:
            if command.fresh:
                await ProductRepository(command).lock(product_id)
                if not await products.has_variants(command, product_id):
                    variant.is_primary = True
                await variants.create(command, variant)
                command.answer = convert.variant_to_proto(variant)
        return command.answer

    async def GetVariant(self, request: GetVariantRequest, context: Context) -> ProductVariant:
        return convert.variant_to_proto(await variants.by_id(self._db, request.id, drafts=sees_drafts(context)))

    async def ListVariants(self, request: ListVariantsRequest, context: Context) -> ListVariantsResponse:
        product = await products.by_id(self._db, request.product_id, drafts=sees_drafts(context))
        page = await variants.VARIANTS.page(
            self._db, variants.variant, size=request.page_size, token=request.page_token, product_id=product.id
        )
        return ListVariantsResponse(
            variants=map(convert.variant_to_proto, page.items), next_page_token=page.next_page_token
        )

    async def DeleteVariant(self, request: DeleteVariantRequest, context: Context) -> Empty:
        async with self._db.once(request, context) as once:
            if not await once.recall():
                command = self._db.command(request, context)
                command.answer = Empty()
                await self._removal.of_variant(command, request.id, request.etag)
                once.answer = command.answer
        return once.answer

    async def ResolveVariants(self, request: ResolveVariantsRequest, context: Context) -> ResolveVariantsResponse:
        found = await offers.resolve(self._db, request.ids)
        return ResolveVariantsResponse(
            variants=[convert.offer_to_proto(found[id]) for id in request.ids if id in found]
        )
