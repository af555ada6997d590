"""Scenes of the catalogue."""

from lumi.catalogue.v1 import category_pb2, inventory_pb2, product_pb2, transfer_pb2, variant_pb2
from lumi.catalogue.v1.category_pb2_grpc import CategoryServiceStub
from lumi.catalogue.v1.inventory_pb2_grpc import InventoryServiceStub
from lumi.catalogue.v1.product_pb2_grpc import ProductServiceStub
from lumi.catalogue.v1.variant_pb2_grpc import VariantServiceStub

from lumi_common.cuid import cuid
from tests.kit.buying import request_id, usd
from tests.request_ids.callers import Caller
from tests.request_ids.scenes import Scene, scene
from tests.request_ids.world import World


def product(key: str, title: str = "Tea") -> product_pb2.Product:
    return product_pb2.Product(title=title, slug=f"tea-{key}", price=usd(300))


def variant(key: str, title: str = "Tin") -> variant_pb2.ProductVariant:
    return variant_pb2.ProductVariant(title=title, sku=f"T-{key}", price=usd(300))


async def draft(world: World, *, with_variant: bool = False) -> str:
    """The id of a product that is not on sale yet."""
    made = await world.stub(ProductServiceStub).CreateProduct(
        product_pb2.CreateProductRequest(product=product(cuid()), request_id=request_id())
    )
    if with_variant:
        await world.stub(VariantServiceStub).CreateVariant(
            variant_pb2.CreateVariantRequest(product_id=made.id, variant=variant(cuid()), request_id=request_id())
        )
    return str(made.id)


async def deleted(world: World) -> str:
    """The id of a product that is deleted, and had a variant."""
    id = await draft(world, with_variant=True)
    await world.stub(ProductServiceStub).DeleteProduct(product_pb2.DeleteProductRequest(id=id, request_id=request_id()))
    return id


async def category(world: World) -> str:
    """The id of a category that nothing stands in."""
    made = await world.stub(CategoryServiceStub).CreateCategory(
        category_pb2.CreateCategoryRequest(
            category=category_pb2.Category(name="Drinks", slug=f"drinks-{cuid()}"), request_id=request_id()
        )
    )
    return str(made.id)


def wanted(world: World, order: str, quantity: int = 2, place: int = 0) -> inventory_pb2.ReserveStockRequest:
    line = inventory_pb2.StockLine(product_variant_id=world.variants[place], quantity=quantity)
    return inventory_pb2.ReserveStockRequest(order_id=order, lines=[line])


async def reserved(world: World) -> str:
    """The id of an order that holds stock."""
    request = wanted(world, cuid())
    request.request_id = request_id()
    await world.orders(InventoryServiceStub).ReserveStock(request)
    return str(request.order_id)


@scene("catalogue.v1.CategoryService.CreateCategory")
async def create_category(world: World, caller: Caller) -> Scene:
    def asked(slug: str, name: str = "Drinks") -> category_pb2.CreateCategoryRequest:
        return category_pb2.CreateCategoryRequest(category=category_pb2.Category(name=name, slug=slug))

    slug = f"drinks-{cuid()}"
    return Scene(asked(slug), (asked(slug, "Beverages"), asked(f"drinks-{cuid()}")))


@scene("catalogue.v1.CategoryService.DeleteCategory")
async def delete_category(world: World, caller: Caller) -> Scene:
    asked = category_pb2.DeleteCategoryRequest
    first, second = await category(world), await category(world)
    return Scene(asked(id=first), (asked(id=second),))


@scene("catalogue.v1.ProductService.CreateProduct")
async def create_product(world: World, caller: Caller) -> Scene:
    def asked(key: str, title: str = "Tea") -> product_pb2.CreateProductRequest:
        return product_pb2.CreateProductRequest(product=product(key, title))

    key = cuid()
    return Scene(asked(key), (asked(key, "Green tea"), asked(cuid())))


@scene("catalogue.v1.ProductService.PublishProduct")
async def publish_product(world: World, caller: Caller) -> Scene:
    asked = product_pb2.PublishProductRequest
    first, second = await draft(world, with_variant=True), await draft(world, with_variant=True)
    return Scene(asked(id=first), (asked(id=second), asked(id=first, etag="1")))


@scene("catalogue.v1.ProductService.DeleteProduct")
async def delete_product(world: World, caller: Caller) -> Scene:
    asked = product_pb2.DeleteProductRequest
    first, second = await draft(world), await draft(world)
    return Scene(asked(id=first), (asked(id=second), asked(id=first, etag="1")))


@scene("catalogue.v1.ProductService.UndeleteProduct")
async def undelete_product(world: World, caller: Caller) -> Scene:
    asked = product_pb2.UndeleteProductRequest
    first, second = await deleted(world), await deleted(world)
    return Scene(asked(id=first), (asked(id=second), asked(id=first, etag="2")))


@scene("catalogue.v1.ProductService.PurgeProduct")
async def purge_product(world: World, caller: Caller) -> Scene:
    asked = product_pb2.PurgeProductRequest
    first, second = await deleted(world), await deleted(world)
    return Scene(asked(id=first), (asked(id=second), asked(id=first, etag="2")))


@scene("catalogue.v1.VariantService.CreateVariant")
async def create_variant(world: World, caller: Caller) -> Scene:
    first, second = await draft(world), await draft(world)

    def asked(product_id: str, title: str = "Tin") -> variant_pb2.CreateVariantRequest:
        return variant_pb2.CreateVariantRequest(product_id=product_id, variant=variant(key, title))

    key = cuid()
    return Scene(asked(first), (asked(first, "Box"), asked(second)))


@scene("catalogue.v1.VariantService.DeleteVariant")
async def delete_variant(world: World, caller: Caller) -> Scene:
    asked = variant_pb2.DeleteVariantRequest
    first, second = await world.shelf.put(7), await world.shelf.put(7)
    return Scene(asked(id=first), (asked(id=second), asked(id=first, etag="1")))


@scene("catalogue.v1.TransferService.ImportProducts")
async def import_products(world: World, caller: Caller) -> Scene:
    def asked(key: str, title: str = "Tea") -> transfer_pb2.ImportProductsRequest:
        row = transfer_pb2.ProductRow(title=title, slug=f"tea-{key}", price=usd(300))
        row.variants.add(title="Tin", sku=f"T-{key}", price=usd(300), initial_quantity=5)
        return transfer_pb2.ImportProductsRequest(rows=[row])

    key = cuid()
    return Scene(asked(key), (asked(key, "Green tea"), asked(cuid())))


@scene("catalogue.v1.InventoryService.AdjustInventory")
async def adjust_inventory(world: World, caller: Caller) -> Scene:
    def asked(variant_id: str, delta: int = 5) -> inventory_pb2.AdjustInventoryRequest:
        return inventory_pb2.AdjustInventoryRequest(product_variant_id=variant_id, delta=delta, reason="delivery")

    first, second = world.variants
    return Scene(asked(first), (asked(first, 6), asked(second), asked(first, -1_000_000)))


@scene("catalogue.v1.InventoryService.SetInventory")
async def set_inventory(world: World, caller: Caller) -> Scene:
    def asked(variant_id: str, count: int = 40) -> inventory_pb2.SetInventoryRequest:
        return inventory_pb2.SetInventoryRequest(
            product_variant_id=variant_id, quantity_on_hand=count, reason="counted"
        )

    first, second = await world.shelf.put(7), await world.shelf.put(7)
    return Scene(asked(first), (asked(first, 41), asked(second)))


@scene("catalogue.v1.InventoryService.ReserveStock")
async def reserve_stock(world: World, caller: Caller) -> Scene:
    order = cuid()
    others = (
        wanted(world, order, quantity=3),
        wanted(world, order, place=1),
        wanted(world, cuid()),
        wanted(world, cuid(), quantity=900_000),  # more than there is
    )
    return Scene(wanted(world, order), others)


@scene("catalogue.v1.InventoryService.CommitReservation")
async def commit_reservation(world: World, caller: Caller) -> Scene:
    asked = inventory_pb2.CommitReservationRequest
    return Scene(asked(order_id=await reserved(world)), (asked(order_id=await reserved(world)), asked(order_id=cuid())))


@scene("catalogue.v1.InventoryService.ReleaseReservation")
async def release_reservation(world: World, caller: Caller) -> Scene:
    asked = inventory_pb2.ReleaseReservationRequest
    return Scene(asked(order_id=await reserved(world)), (asked(order_id=await reserved(world)),))
