"""The composition root: everything the catalogue is made of, put together."""

from datetime import timedelta

from lumi.catalogue.v1.category_pb2_grpc import add_CategoryServiceServicer_to_server
from lumi.catalogue.v1.inventory_pb2 import ReserveStockResponse
from lumi.catalogue.v1.inventory_pb2_grpc import add_InventoryServiceServicer_to_server
from lumi.catalogue.v1.operations_pb2_grpc import add_OperationsServiceServicer_to_server
from lumi.catalogue.v1.product_pb2_grpc import add_ProductServiceServicer_to_server
from lumi.catalogue.v1.transfer_pb2_grpc import add_TransferServiceServicer_to_server
from lumi.catalogue.v1.variant_pb2_grpc import add_VariantServiceServicer_to_server

from lumi_catalogue.api import convert
from lumi_catalogue.api.categories import CategoryService
from lumi_catalogue.api.inventories import InventoryService, asked
from lumi_catalogue.api.products import ProductService
from lumi_catalogue.api.transfer import TransferService
from lumi_catalogue.api.variants import VariantService
from lumi_catalogue.clients.orders import Orders
from lumi_catalogue.domain.errors import Reason
from lumi_catalogue.settings import CatalogueSettings
from lumi_catalogue.storage.invariants import INVARIANTS
from lumi_catalogue.storage.personal import PEOPLE
from lumi_catalogue.storage.references import REFERRER
from lumi_catalogue.workflows.expiry import Expiry
from lumi_catalogue.workflows.paid import commit_paid
from lumi_catalogue.workflows.removal import Removal
from lumi_catalogue.workflows.reservation import Reservations
from lumi_common.db.database import Refusals
from lumi_common.errors import AlreadyExists, FailedPrecondition
from lumi_common.events.handlers import InTransaction
from lumi_common.service import Runtime

REFUSALS: Refusals = {
    "products_slug_key": lambda: AlreadyExists(
        Reason.SLUG_TAKEN, "another product has this slug", field="product.slug"
    ),
    "products_sku_key": lambda: AlreadyExists(Reason.SKU_TAKEN, "another product has this SKU", field="product.sku"),
    "product_variants_sku_key": lambda: AlreadyExists(
        Reason.SKU_TAKEN, "another variant has this SKU", field="variant.sku"
    ),
    "categories_slug_key": lambda: AlreadyExists(
        Reason.SLUG_TAKEN, "another category has this slug", field="category.slug"
    ),
    "categories_parent_id_fkey": lambda: FailedPrecondition(
        Reason.CATEGORY_NOT_FOUND, "no such parent", field="category.parent_id"
    ),
    "product_categories_category_id_fkey": lambda: FailedPrecondition(
        Reason.CATEGORY_NOT_FOUND, "no such category", field="product.category_ids"
    ),
}


async def compose(runtime: Runtime[CatalogueSettings]) -> None:
    """Serve the catalogue, hear of paid orders, and ask about reservations past their time."""
    db, clock, settings = runtime.db, runtime.clock, runtime.settings
    hold = timedelta(seconds=settings.reservation_seconds)
    desk = Reservations(
        db,
        clock,
        hold=hold,
        read=asked,
        encode=convert.reservation_to_response,
        decode=ReserveStockResponse.FromString,
    )
    removal = Removal(db, runtime.deletions)
    runtime.serve(add_ProductServiceServicer_to_server, ProductService(db, clock, removal))
    runtime.serve(add_VariantServiceServicer_to_server, VariantService(db, clock, removal))
    runtime.serve(add_CategoryServiceServicer_to_server, CategoryService(db, clock))
    runtime.serve(add_InventoryServiceServicer_to_server, InventoryService(db, desk))
    runtime.serve(add_TransferServiceServicer_to_server, TransferService(db))
    runtime.serve_operations(add_OperationsServiceServicer_to_server, REFERRER, PEOPLE, INVARIANTS)

    runtime.consume("catalogue-reservations", InTransaction(commit_paid), types=("order.paid",))
    expiry = Expiry(db, clock, Orders(runtime.peer("orders")), hold=hold)
    runtime.every(settings.sweep_seconds, "reservations past their time", expiry.sweep)
