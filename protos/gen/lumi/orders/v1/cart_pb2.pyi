import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import empty_pb2 as _empty_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.type import money_pb2 as _money_pb2
from lumi.common.v1 import address_pb2 as _address_pb2
from lumi.common.v1 import options_pb2 as _options_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CartStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CART_STATUS_UNSPECIFIED: _ClassVar[CartStatus]
    CART_STATUS_ACTIVE: _ClassVar[CartStatus]
    CART_STATUS_CHECKED_OUT: _ClassVar[CartStatus]
    CART_STATUS_ABANDONED: _ClassVar[CartStatus]

class CartIssue(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CART_ISSUE_UNSPECIFIED: _ClassVar[CartIssue]
    CART_ISSUE_EMPTY: _ClassVar[CartIssue]
    CART_ISSUE_LINE: _ClassVar[CartIssue]
    CART_ISSUE_ADDRESS_REQUIRED: _ClassVar[CartIssue]
    CART_ISSUE_COUPON_REFUSED: _ClassVar[CartIssue]
    CART_ISSUE_BEING_PLACED: _ClassVar[CartIssue]

class QuoteIssue(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUOTE_ISSUE_UNSPECIFIED: _ClassVar[QuoteIssue]
    QUOTE_ISSUE_NOT_SELLABLE: _ClassVar[QuoteIssue]
    QUOTE_ISSUE_INSUFFICIENT_STOCK: _ClassVar[QuoteIssue]
    QUOTE_ISSUE_PRICE_CHANGED: _ClassVar[QuoteIssue]
    QUOTE_ISSUE_CURRENCY_MISMATCH: _ClassVar[QuoteIssue]

class MergePolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MERGE_POLICY_UNSPECIFIED: _ClassVar[MergePolicy]
    MERGE_POLICY_ADD: _ClassVar[MergePolicy]
    MERGE_POLICY_KEEP_LARGER: _ClassVar[MergePolicy]
    MERGE_POLICY_KEEP_USER_CART: _ClassVar[MergePolicy]
    MERGE_POLICY_KEEP_GUEST_CART: _ClassVar[MergePolicy]
CART_STATUS_UNSPECIFIED: CartStatus
CART_STATUS_ACTIVE: CartStatus
CART_STATUS_CHECKED_OUT: CartStatus
CART_STATUS_ABANDONED: CartStatus
CART_ISSUE_UNSPECIFIED: CartIssue
CART_ISSUE_EMPTY: CartIssue
CART_ISSUE_LINE: CartIssue
CART_ISSUE_ADDRESS_REQUIRED: CartIssue
CART_ISSUE_COUPON_REFUSED: CartIssue
CART_ISSUE_BEING_PLACED: CartIssue
QUOTE_ISSUE_UNSPECIFIED: QuoteIssue
QUOTE_ISSUE_NOT_SELLABLE: QuoteIssue
QUOTE_ISSUE_INSUFFICIENT_STOCK: QuoteIssue
QUOTE_ISSUE_PRICE_CHANGED: QuoteIssue
QUOTE_ISSUE_CURRENCY_MISMATCH: QuoteIssue
MERGE_POLICY_UNSPECIFIED: MergePolicy
MERGE_POLICY_ADD: MergePolicy
MERGE_POLICY_KEEP_LARGER: MergePolicy
MERGE_POLICY_KEEP_USER_CART: MergePolicy
MERGE_POLICY_KEEP_GUEST_CART: MergePolicy

class Cart(_message.Message):
    __slots__ = ("id", "user_id", "status", "currency_code", "items", "coupon_code", "shipping_address", "billing_address", "create_time", "update_time", "etag")
    ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    COUPON_CODE_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BILLING_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    id: str
    user_id: str
    status: CartStatus
    currency_code: str
    items: _containers.RepeatedCompositeFieldContainer[CartItem]
    coupon_code: str
    shipping_address: _address_pb2.PostalAddress
    billing_address: _address_pb2.PostalAddress
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, id: _Optional[str] = ..., user_id: _Optional[str] = ..., status: _Optional[_Union[CartStatus, str]] = ..., currency_code: _Optional[str] = ..., items: _Optional[_Iterable[_Union[CartItem, _Mapping]]] = ..., coupon_code: _Optional[str] = ..., shipping_address: _Optional[_Union[_address_pb2.PostalAddress, _Mapping]] = ..., billing_address: _Optional[_Union[_address_pb2.PostalAddress, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class CartItem(_message.Message):
    __slots__ = ("id", "product_variant_id", "quantity", "unit_price")
    ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_FIELD_NUMBER: _ClassVar[int]
    id: str
    product_variant_id: str
    quantity: int
    unit_price: _money_pb2.Money
    def __init__(self, id: _Optional[str] = ..., product_variant_id: _Optional[str] = ..., quantity: _Optional[int] = ..., unit_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class CartQuote(_message.Message):
    __slots__ = ("cart_id", "cart_etag", "lines", "subtotal_amount", "discount_amount", "shipping_amount", "tax_amount", "total_amount", "coupon_code", "coupon_refusal", "is_orderable", "issues", "shipping_discount_amount", "prices_include_tax")
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    CART_ETAG_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    SUBTOTAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TAX_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    COUPON_CODE_FIELD_NUMBER: _ClassVar[int]
    COUPON_REFUSAL_FIELD_NUMBER: _ClassVar[int]
    IS_ORDERABLE_FIELD_NUMBER: _ClassVar[int]
    ISSUES_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_DISCOUNT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PRICES_INCLUDE_TAX_FIELD_NUMBER: _ClassVar[int]
    cart_id: str
    cart_etag: str
    lines: _containers.RepeatedCompositeFieldContainer[QuoteLine]
    subtotal_amount: _money_pb2.Money
    discount_amount: _money_pb2.Money
    shipping_amount: _money_pb2.Money
    tax_amount: _money_pb2.Money
    total_amount: _money_pb2.Money
    coupon_code: str
    coupon_refusal: str
    is_orderable: bool
    issues: _containers.RepeatedScalarFieldContainer[CartIssue]
    shipping_discount_amount: _money_pb2.Money
    prices_include_tax: bool
    def __init__(self, cart_id: _Optional[str] = ..., cart_etag: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[QuoteLine, _Mapping]]] = ..., subtotal_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., discount_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., shipping_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., tax_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., total_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., coupon_code: _Optional[str] = ..., coupon_refusal: _Optional[str] = ..., is_orderable: _Optional[bool] = ..., issues: _Optional[_Iterable[_Union[CartIssue, str]]] = ..., shipping_discount_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., prices_include_tax: _Optional[bool] = ...) -> None: ...

class QuoteLine(_message.Message):
    __slots__ = ("product_variant_id", "product_id", "product_title", "variant_title", "sku", "quantity", "unit_price", "compare_at_price", "subtotal_amount", "discount_amount", "quantity_available", "issues", "tax_amount", "total_amount")
    PRODUCT_VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_TITLE_FIELD_NUMBER: _ClassVar[int]
    VARIANT_TITLE_FIELD_NUMBER: _ClassVar[int]
    SKU_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_FIELD_NUMBER: _ClassVar[int]
    COMPARE_AT_PRICE_FIELD_NUMBER: _ClassVar[int]
    SUBTOTAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    ISSUES_FIELD_NUMBER: _ClassVar[int]
    TAX_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    product_variant_id: str
    product_id: str
    product_title: str
    variant_title: str
    sku: str
    quantity: int
    unit_price: _money_pb2.Money
    compare_at_price: _money_pb2.Money
    subtotal_amount: _money_pb2.Money
    discount_amount: _money_pb2.Money
    quantity_available: int
    issues: _containers.RepeatedScalarFieldContainer[QuoteIssue]
    tax_amount: _money_pb2.Money
    total_amount: _money_pb2.Money
    def __init__(self, product_variant_id: _Optional[str] = ..., product_id: _Optional[str] = ..., product_title: _Optional[str] = ..., variant_title: _Optional[str] = ..., sku: _Optional[str] = ..., quantity: _Optional[int] = ..., unit_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., compare_at_price: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., subtotal_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., discount_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., quantity_available: _Optional[int] = ..., issues: _Optional[_Iterable[_Union[QuoteIssue, str]]] = ..., tax_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ..., total_amount: _Optional[_Union[_money_pb2.Money, _Mapping]] = ...) -> None: ...

class CreateCartRequest(_message.Message):
    __slots__ = ("currency_code", "request_id")
    CURRENCY_CODE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    currency_code: str
    request_id: str
    def __init__(self, currency_code: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetCartRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetActiveCartRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AddCartItemRequest(_message.Message):
    __slots__ = ("cart_id", "product_variant_id", "quantity", "etag", "request_id")
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    cart_id: str
    product_variant_id: str
    quantity: int
    etag: str
    request_id: str
    def __init__(self, cart_id: _Optional[str] = ..., product_variant_id: _Optional[str] = ..., quantity: _Optional[int] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class UpdateCartItemRequest(_message.Message):
    __slots__ = ("cart_id", "product_variant_id", "quantity", "etag", "request_id")
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    cart_id: str
    product_variant_id: str
    quantity: int
    etag: str
    request_id: str
    def __init__(self, cart_id: _Optional[str] = ..., product_variant_id: _Optional[str] = ..., quantity: _Optional[int] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RemoveCartItemRequest(_message.Message):
    __slots__ = ("cart_id", "product_variant_id", "etag", "request_id")
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_VARIANT_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    cart_id: str
    product_variant_id: str
    etag: str
    request_id: str
    def __init__(self, cart_id: _Optional[str] = ..., product_variant_id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ClearCartRequest(_message.Message):
    __slots__ = ("id", "etag", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    etag: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteCartRequest(_message.Message):
    __slots__ = ("id", "etag", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    etag: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class ApplyCouponRequest(_message.Message):
    __slots__ = ("id", "code", "etag", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    code: str
    etag: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., code: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class RemoveCouponRequest(_message.Message):
    __slots__ = ("id", "etag", "request_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    etag: str
    request_id: str
    def __init__(self, id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SetCartAddressesRequest(_message.Message):
    __slots__ = ("id", "shipping_address_id", "billing_address_id", "etag", "request_id", "shipping_address", "billing_address")
    ID_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_ADDRESS_ID_FIELD_NUMBER: _ClassVar[int]
    BILLING_ADDRESS_ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BILLING_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    id: str
    shipping_address_id: str
    billing_address_id: str
    etag: str
    request_id: str
    shipping_address: _address_pb2.PostalAddress
    billing_address: _address_pb2.PostalAddress
    def __init__(self, id: _Optional[str] = ..., shipping_address_id: _Optional[str] = ..., billing_address_id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ..., shipping_address: _Optional[_Union[_address_pb2.PostalAddress, _Mapping]] = ..., billing_address: _Optional[_Union[_address_pb2.PostalAddress, _Mapping]] = ...) -> None: ...

class QuoteCartRequest(_message.Message):
    __slots__ = ("id", "shipping_address_id")
    ID_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_ADDRESS_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    shipping_address_id: str
    def __init__(self, id: _Optional[str] = ..., shipping_address_id: _Optional[str] = ...) -> None: ...

class MergeGuestCartRequest(_message.Message):
    __slots__ = ("guest_token", "policy", "etag", "request_id")
    GUEST_TOKEN_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    guest_token: str
    policy: MergePolicy
    etag: str
    request_id: str
    def __init__(self, guest_token: _Optional[str] = ..., policy: _Optional[_Union[MergePolicy, str]] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...
