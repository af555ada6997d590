"""What goes for good and is named in orders and carts: they agree first, and the stock has the last word."""

from lumi_catalogue.domain.product import expect
from lumi_catalogue.storage import products, removals, variants
from lumi_common.db.database import Database
from lumi_common.db.referrer import Target
from lumi_common.db.request import Command
from lumi_common.deletions import Deletions
from lumi_common.errors import Aborted, Reason


class Removal:
    """Removes variants and products; each in the call's own transaction, once nobody refers to them.

    An order that is being placed holds stock before it is written, so what stock is held of does not go: who comes to
    reserve waits for the lock under which that is decided, and finds nothing to sell.
    """

    def __init__(self, db: Database, deletions: Deletions) -> None:
        self._db, self._deletions = db, deletions

    async def of_variant(self, command: Command, id: str, etag: str) -> None:
        """Remove a variant; raises NotFound, FailedPrecondition REFERENCED, Aborted."""
        variant = await variants.by_id(self._db, id, drafts=True)
        expect(variant.version, etag)
        targets = [Target(removals.VARIANTS, id)]
        async with self._deletions.deleting(targets, command.context) as deletion, command:
            if command.fresh:
                await products.lock(command, variant.product_id)
                await removals.remove_variant(command, id, etag)
                await deletion.end(command)

    async def of_product(self, command: Command, id: str, etag: str) -> None:
        """Remove a deleted product with its variants; raises NotFound, FailedPrecondition, Aborted."""
        product = await products.any_by_id(self._db, id)
        product.check_purgeable(etag)
        ids = await removals.variants_of(self._db, id)
        targets = [Target(removals.PRODUCTS, id), *(Target(removals.VARIANTS, each) for each in ids)]
        async with self._deletions.deleting(targets, command.context) as deletion, command:
            if command.fresh:
                product = await products.any_by_id(command, id, lock=True)
                product.check_purgeable(etag)
                locked = await removals.lock_variants(command, id)
                if not {Target(removals.VARIANTS, each) for each in locked} <= deletion.targets:
                    # It was back for a while: of those that came then nobody was asked.
                    raise Aborted(Reason.ETAG_MISMATCH, "a variant has come meanwhile: try again", id=id)
                await removals.check_not_held(command, locked)
                await removals.remove_product(command, id)
                await deletion.end(command)
