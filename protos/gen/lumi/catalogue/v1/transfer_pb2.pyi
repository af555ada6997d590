from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.type import money_pb2 as _money_pb2
from lumi.catalogue.v1 import product_pb2 as _product_pb2
from lumi.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ImportProductsRequest(_message.Message):
    __slots__ = ("rows", "dry_run", "request_id")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[ProductRow]
    dry_run: bool
    request_id: str
    def __init__(self, rows: _Optional[_Iterable[_Union[ProductRow, _Mapping]]] = ..., dry_run: _Optional[bool] = ..., request_id: _Optional[str] = ...) -> None: ...

class ProductRow(_message.Message):
    __slots__ = ("line", "title", "slug", "sku", "description", "summary", "status", "price", "compare_at_price", "inventory_policy", "search_keywords", "attributes", "category_slugs", "variants")
    LINE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SLUG_FIELD_NUMBER: _ClassVar[int]
    SKU_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    COMPARE_AT_PRICE_FIELD_NUMBER: _ClassVar[int]
    INVENTORY_POLICY_FIELD_NUMBER: _ClassVar[int]
    SEARCH_KEYWORDS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_SLUGS_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    line: int
    title: str
    slug: str
    sku: str
    description: str
    summary: str
    status: _product_pb2.ProductStatus
    price: _money_pb2.Money
    compare_at_price: _money_pb2.Money
    inventory_policy: _product_pb2.InventoryPolicy
    search_keywords: _containers.RepeatedScalarFieldContainer[str]
    attributes: _struct_pb2.Struct
    category_slugs: _containers.RepeatedScalarFieldContainer[str]
    variants: _containers.RepeatedCompositeFieldContainer[VariantRow]
    def __init__(self, line: _Optional[int] = ..., title: _Optional[str] = ..., slug: _Optional[str] = ..., sku: _Optional[str] = ..., description: _Optional[str] = ..., summary: _Optional[str] = ..., status: _Optional[_Union[_product_pb2.ProductStatus, str]] = ..., price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., compare_at_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., inventory_policy: _Optional[_Union[_product_pb2.InventoryPolicy, str]] = ..., search_keywords: _Optional[_Iterable[str]] = ..., attributes: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., category_slugs: _Optional[_Iterable[str]] = ..., variants: _Optional[_Iterable[_Union[VariantRow, _Mapping]]] = ...) -> None: ...

class VariantRow(_message.Message):
    __slots__ = ("title", "sku", "price", "compare_at_price", "attributes", "is_primary", "position", "initial_quantity")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SKU_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    COMPARE_AT_PRICE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    IS_PRIMARY_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    INITIAL_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    title: str
    sku: str
    price: _money_pb2.Money
    compare_at_price: _money_pb2.Money
    attributes: _struct_pb2.Struct
    is_primary: bool
    position: int
    initial_quantity: int
    def __init__(self, title: _Optional[str] = ..., sku: _Optional[str] = ..., price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., compare_at_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., attributes: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., is_primary: _Optional[bool] = ..., position: _Optional[int] = ..., initial_quantity: _Optional[int] = ...) -> None: ...

class ImportProductsResponse(_message.Message):
    __slots__ = ("rows_taken", "rows_refused", "products_created", "products_updated", "products_unchanged", "variants_created", "variants_updated", "variants_unchanged", "errors")
    ROWS_TAKEN_FIELD_NUMBER: _ClassVar[int]
    ROWS_REFUSED_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_CREATED_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_UPDATED_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_CREATED_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_UPDATED_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    rows_taken: int
    rows_refused: int
    products_created: int
    products_updated: int
    products_unchanged: int
    variants_created: int
    variants_updated: int
    variants_unchanged: int
    errors: _containers.RepeatedCompositeFieldContainer[RowError]
    def __init__(self, rows_taken: _Optional[int] = ..., rows_refused: _Optional[int] = ..., products_created: _Optional[int] = ..., products_updated: _Optional[int] = ..., products_unchanged: _Optional[int] = ..., variants_created: _Optional[int] = ..., variants_updated: _Optional[int] = ..., variants_unchanged: _Optional[int] = ..., errors: _Optional[_Iterable[_Union[RowError, _Mapping]]] = ...) -> None: ...

class RowError(_message.Message):
    __slots__ = ("line", "field", "reason", "message")
    LINE_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    line: int
    field: str
    reason: str
    message: str
    def __init__(self, line: _Optional[int] = ..., field: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...
