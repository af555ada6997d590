"""TransferService: the catalogue in bulk."""

import asyncio
from collections.abc import Sequence

from lumi.catalogue.v1.transfer_pb2 import ImportProductsRequest, ImportProductsResponse
from lumi.catalogue.v1.transfer_pb2 import ProductRow as ProductRowMessage
from lumi.catalogue.v1.transfer_pb2 import RowError as RowErrorMessage
from lumi.catalogue.v1.transfer_pb2_grpc import TransferServiceServicer

from lumi_catalogue.api import convert
from lumi_catalogue.domain.importing import Plan, ProductRow, RowError, Taken, VariantRow, error_of
from lumi_catalogue.storage import imports
from lumi_common.context import Context
from lumi_common.db.database import Database, Executor
from lumi_common.errors import LumiError, Reason
from lumi_common.rpc.validation import violations

# After so many rows, about ten milliseconds of work, others get their turn.
_PATIENCE = 64


class TransferService(TransferServiceServicer):
    def __init__(self, db: Database) -> None:
        self._db = db

    async def ImportProducts(self, request: ImportProductsRequest, context: Context) -> ImportProductsResponse:
        if request.dry_run:
            return _answer(*await self._decide(self._db, request, lock=False))
        async with self._db.command(request, context) as command:
            if command.fresh:
                taken, errors = await self._decide(command, request, lock=True)
                await imports.write(command, taken)
                command.answer = _answer(taken, errors)
        return command.answer

    async def _decide(
        self, on: Executor, request: ImportProductsRequest, *, lock: bool
    ) -> tuple[list[Taken], list[RowError]]:
        """What each row comes to, and the errors of those that cannot be taken."""
        rows, errors = await _read(request.rows)
        plan = Plan(await imports.load(on, rows, lock=lock))
        taken: list[Taken] = []
        for row in rows:
            try:
                taken.append(plan.take(row))
            except LumiError as refusal:
                errors.append(error_of(row.line, refusal))
        errors.sort(key=lambda error: error.line)
        return taken, errors


async def _read(messages: Sequence[ProductRowMessage]) -> tuple[list[ProductRow], list[RowError]]:
    """The rows that keep their own bounds, and the first fault of each other."""
    rows: list[ProductRow] = []
    errors: list[RowError] = []
    for place, message in enumerate(messages, start=1):
        if place % _PATIENCE == 0:
            await asyncio.sleep(0)
        line = message.line or place
        if faults := violations(message):
            errors.append(RowError(line, faults[0].field, Reason.INVALID_REQUEST, faults[0].description))
            continue
        try:
            rows.append(_row(message, line))
        except LumiError as refusal:
            errors.append(error_of(line, refusal))
    return rows, errors


def _row(message: ProductRowMessage, line: int) -> ProductRow:
    return ProductRow(
        line=line,
        title=message.title,
        slug=message.slug,
        price=convert.price_from_proto(message),
        sku=message.sku or None,
        description=message.description or None,
        summary=message.summary or None,
        status=convert.status_from_proto(message.status),
        inventory_policy=convert.policy_from_proto(message.inventory_policy),
        search_keywords=list(message.search_keywords),
        attributes=convert.attributes_from_proto(message),
        category_slugs=list(message.category_slugs),
        variants=[
            VariantRow(
                title=variant.title,
                sku=variant.sku,
                price=convert.price_from_proto(variant, field=f"variants[{number}]"),
                attributes=convert.attributes_from_proto(variant),
                is_primary=variant.is_primary,
                position=variant.position,
                initial_quantity=variant.initial_quantity,
            )
            for number, variant in enumerate(message.variants)
        ],
    )


def _answer(taken: Sequence[Taken], errors: Sequence[RowError]) -> ImportProductsResponse:
    created = sum(row.is_new for row in taken)
    updated = sum(row.is_changed for row in taken)
    return ImportProductsResponse(
        rows_taken=len(taken),
        rows_refused=len(errors),
        products_created=created,
        products_updated=updated,
        products_unchanged=len(taken) - created - updated,
        variants_created=sum(len(row.new_variants) for row in taken),
        variants_updated=sum(len(row.changed_variants) for row in taken),
        variants_unchanged=sum(row.variants_unchanged for row in taken),
        errors=[
            RowErrorMessage(line=error.line, field=error.field, reason=error.reason, message=error.message)
            for error in errors
        ],
    )
