"""Bugs of the shop: stock, coupons, money, and the placing of orders."""

from lumi_mutants.mutation import Mutation

_CATALOGUE = "services/catalogue/src/lumi_catalogue"
_CATALOGUE_TESTS = "services/catalogue/tests"
_MARKETING = "services/marketing/src/lumi_marketing"
_MARKETING_TESTS = "services/marketing/tests"
_ORDERS = "services/orders/src/lumi_orders"
_ORDERS_TESTS = "services/orders/tests"
_PAYMENTS = "services/payments/src/lumi_payments"
_PAYMENTS_TESTS = "services/payments/tests"

STOCK = (
    Mutation(
        "stock-not-locked",
        f"{_CATALOGUE}/storage/reservations.py",
        "    .order_by(_i.product_variant_id)\n    .with_for_update(of=inventories)",
        "    .order_by(_i.product_variant_id)",
        (
            f"{_CATALOGUE_TESTS}/storage/test_policies.py::"
            "test_a_policy_that_changes_while_a_buyer_waits_is_the_one_that_counts",
        ),
        "A reservation is decided on a stock that somebody else is just changing.",
    ),
    Mutation(
        "stock-guard-dropped",
        f"{_CATALOGUE}/storage/reservations.py",
        "            or_(_i.quantity_available >= taken.c.quantity, SELLS_ON),",
        "",
        (
            f"{_CATALOGUE_TESTS}/storage/test_policies.py::"
            "test_a_policy_that_changes_while_a_buyer_waits_is_the_one_that_counts",
        ),
        "The statement that reserves takes units that are no longer there.",
    ),
    Mutation(
        "not-all-or-none",
        f"{_CATALOGUE}/domain/reservation.py",
        "            self._enough(number, offer, quantity)\n"
        "        for line in lines:\n"
        "            self.taken[line.product_variant_id] += line.quantity",
        "            self._enough(number, offer, quantity)\n"
        "            self.taken[offer.product_variant_id] += quantity",
        (f"{_CATALOGUE_TESTS}/domain/test_reservation.py::test_all_lines_or_none",),
        "An order that is refused for its second line keeps the units of its first from others.",
    ),
    Mutation(
        "undone-order-reserves",
        f"{_CATALOGUE}/storage/reservations.py",
        "    ).where(not_fenced(line.c.order_id))",
        "    )",
        (
            f"{_CATALOGUE_TESTS}/storage/test_endings.py::test_an_order_that_was_undone_first_never_holds_anything",
            f"{_CATALOGUE_TESTS}/storage/test_endings.py::test_undoing_an_order_while_it_is_reserved_leaves_nothing_held",
        ),
        "A reservation that arrives after its order was undone is held for nobody.",
    ),
    Mutation(
        "restocked-twice",
        f"{_CATALOGUE}/storage/endings.py",
        "        .where(_i.product_variant_id == back.c.product_variant_id)\n"
        "        .values(\n"
        "            quantity_on_hand=_i.quantity_on_hand + back.c.delta,\n"
        "            quantity_available=_i.quantity_available + back.c.delta,",
        "        .where(_i.product_variant_id == line.product_variant_id)\n"
        "        .values(\n"
        "            quantity_on_hand=_i.quantity_on_hand + line.quantity,\n"
        "            quantity_available=_i.quantity_available + line.quantity,",
        (
            f"{_CATALOGUE_TESTS}/storage/test_restock.py::test_again_it_changes_nothing",
            f"{_CATALOGUE_TESTS}/storage/test_restock.py::test_of_thirty_releases_at_once_one_puts_it_back",
        ),
        "Each release of a sold order puts its units on hand again.",
    ),
    Mutation(
        "sale-released",
        f"{_CATALOGUE}/storage/endings.py",
        "    held = update(stock_reservations).where("
        "_r.id == locked.c.id, locked.c.state == in_state(ReservationState.HELD))",
        "    held = update(stock_reservations).where(_r.id == locked.c.id)",
        (f"{_CATALOGUE_TESTS}/storage/test_restock.py::test_what_was_sold_is_on_hand_again_and_told_line_by_line",),
        "A reservation that ended as sold ends a second time as released.",
    ),
    Mutation(
        "ending-not-locked",
        f"{_CATALOGUE}/storage/endings.py",
        "    return found.order_by(_r.product_variant_id)"
        '.with_for_update(of=(stock_reservations, inventories)).cte("locked")',
        '    return found.order_by(_r.product_variant_id).cte("locked")',
        (
            f"{_CATALOGUE_TESTS}/storage/test_restock.py::test_a_release_that_waits_for_the_sale_puts_it_back",
            f"{_CATALOGUE_TESTS}/storage/test_restock.py::test_a_sale_that_waits_for_the_release_finds_nothing_to_sell",
        ),
        "A sale and a release of one order at once both end its reservation.",
    ),
    Mutation(
        "expired-by-the-clock",
        f"{_CATALOGUE}/workflows/expiry.py",
        "        gone = await self._orders.gone(overdue, context)",
        "        gone = set(overdue)",
        (f"{_CATALOGUE_TESTS}/rpc/test_orders_word.py::test_stock_is_held_on_while_its_order_lives",),
        "While events are late, what a live order holds is sold to somebody else.",
    ),
)

MONEY = (
    Mutation(
        "coupon-past-its-limit",
        f"{_MARKETING}/domain/coupon.py",
        "        if self.usage_limit is not None and self.usage_count >= self.usage_limit:",
        "        if self.usage_limit is not None and self.usage_count > self.usage_limit:",
        (
            f"{_MARKETING_TESTS}/domain/test_coupon.py::test_it_says_why_it_does_not_count",
            f"{_MARKETING_TESTS}/rpc/test_coupons.py::test_of_many_at_once_only_as_many_as_the_limit_redeem",
        ),
        "A coupon is redeemed once more than it may be.",
    ),
    Mutation(
        "coupon-not-locked",
        f"{_MARKETING}/storage/coupons.py",
        "_LOCK_BY_CODE = Statement(_BY_CODE.add_columns(_alone).with_for_update(of=coupons))",
        "_LOCK_BY_CODE = Statement(_BY_CODE.add_columns(_alone))",
        (
            f"{_MARKETING_TESTS}/rpc/test_coupons.py::"
            "test_who_waited_for_a_coupon_is_held_to_what_was_redeemed_meanwhile",
        ),
        "One customer uses a coupon at many doors at once, past the limit of each customer.",
    ),
    Mutation(
        "refund-guard-widened",
        f"{_PAYMENTS}/storage/refunds.py",
        "        _back <= _left,",
        "        _back <= payments.c.captured_amount,",
        (
            f"{_PAYMENTS_TESTS}/rpc/test_refunds.py::test_parts_go_back_until_nothing_is_left",
            f"{_PAYMENTS_TESTS}/rpc/test_refunds.py::test_of_many_at_once_only_as_many_go_back_as_there_is_money",
        ),
        "More is asked back than is left of a payment, and a constraint answers instead of a refusal.",
    ),
    Mutation(
        "tax-rounded-per-order",
        f"{_ORDERS}/domain/pricing.py",
        "    return Price(tuple(lines), discount, shipping, sum(taxes, of_shipping), shares, taxes, tax.included)",
        "    whole = tax.of(sum(lines, ZERO) - discount) + of_shipping\n"
        "    return Price(tuple(lines), discount, shipping, whole, shares, taxes, tax.included)",
        (
            f"{_ORDERS_TESTS}/domain/test_pricing.py::test_tax_on_top_is_rounded_half_up_once_per_line",
            f"{_ORDERS_TESTS}/domain/test_pricing.py::test_whatever_the_lines_the_rate_and_the_discount_it_adds_up",
        ),
        "The tax of an order is a cent off the sum of its lines'.",
    ),
)

PLACING = (
    Mutation(
        "owner-of-nothing",
        f"{_ORDERS}/storage/rows.py",
        "    return or_(owner.is_(None), *(column == owner for column in columns))",
        "    return or_(owner.is_(None), owner.is_not(None))",
        (
            f"{_ORDERS_TESTS}/storage/test_orders.py::test_someone_elses_order_is_not_found",
            f"{_ORDERS_TESTS}/storage/test_carts.py::test_someone_elses_cart_is_not_found",
        ),
        "Everybody reads and changes everybody's carts and orders.",
    ),
    Mutation(
        "guest-is-nobody",
        f"{_ORDERS}/storage/orders.py",
        "_mine = owned(orders.c.user_id, orders.c.guest_session_id)",
        "_mine = owned(orders.c.user_id)",
        (f"{_ORDERS_TESTS}/rpc/test_guests.py::test_a_guest_buys_and_finds_the_order_with_their_token_alone",),
        "A guest does not find the order that they have placed.",
    ),
    Mutation(
        "cart-version-not-compared",
        f"{_ORDERS}/storage/carts.py",
        '            carts.c.version == bindparam("expected", type_=Integer),',
        "",
        (
            f"{_ORDERS_TESTS}/storage/test_carts.py::test_a_change_over_an_older_version_changes_and_tells_nothing",
            f"{_ORDERS_TESTS}/rpc/test_carts.py::test_additions_at_once_all_count",
        ),
        "Of two changes of a cart at once one is lost.",
    ),
    Mutation(
        "changed-cart-placed",
        f"{_ORDERS}/storage/placing.py",
        '            carts.c.version == bindparam("cart_version", type_=Integer),',
        "",
        (f"{_ORDERS_TESTS}/storage/test_placing.py::test_an_order_is_not_written_from_a_cart_that_changed",),
        "An order is written from lines that its cart no longer has.",
    ),
    Mutation(
        "order-version-not-compared",
        f"{_ORDERS}/storage/orders.py",
        "        .where(orders.c.id == _id, orders.c.version == _expected, or_(*ways), *guards)",
        "        .where(orders.c.id == _id, or_(*ways), *guards)",
        (f"{_ORDERS_TESTS}/storage/test_order_moves.py::test_of_twenty_changes_at_once_one_happens",),
        "An order is moved along by somebody who did not see where it was.",
    ),
    Mutation(
        "cancelled-without-undoing",
        f"{_ORDERS}/storage/orders.py",
        '    return recorded(common, change, parts=(history, undo.cte("undo")), request=True)',
        "    return recorded(common, change, parts=(history,), request=True)",
        (f"{_ORDERS_TESTS}/storage/test_order_moves.py::test_a_cancellation_leaves_its_undoing_as_a_row",),
        "A crash after a cancellation leaves stock, coupon and money taken for good.",
    ),
    Mutation(
        "coupon-not-given-back",
        f"{_ORDERS}/workflows/undo.py",
        "        if coupon_code:",
        "        if False:",
        (
            f"{_ORDERS_TESTS}/rpc/test_cancel_order.py::test_a_cancelled_order_gives_everything_back",
            f"{_ORDERS_TESTS}/rpc/test_cancel_paid_order.py::"
            "test_what_came_back_can_be_sold_again_and_its_coupon_used_again",
        ),
        "A cancelled order keeps its coupon's use.",
    ),
    Mutation(
        "sweeper-does-not-claim",
        f"{_ORDERS}/storage/checkouts.py",
        "        + func.least(",
        "        - func.least(",
        (f"{_ORDERS_TESTS}/storage/test_placing.py::test_what_was_left_is_taken_up_by_one_and_again_later",),
        "Every process takes up the same checkout at once, again and again.",
    ),
    Mutation(
        "late-money-kept",
        f"{_ORDERS}/workflows/settlement.py",
        "            await Checkouts(tx).wake(order_id)",
        "            pass",
        (
            f"{_ORDERS_TESTS}/rpc/test_cancel_paid_order.py::"
            "test_money_that_comes_after_all_was_given_back_goes_back_too",
        ),
        "Money that comes for a cancelled order is kept.",
    ),
    Mutation(
        "further-payment-of-an-order-not-as-seen",
        f"{_ORDERS}/storage/retrying.py",
        '        orders.c.version == bindparam("expected", type_=Integer),\n'
        "        orders.c.status == literal_column(\"'PENDING'\"),",
        "",
        (f"{_ORDERS_TESTS}/storage/test_retrying.py::test_an_order_that_does_not_wait_for_its_money_is_left_alone",),
        "Money is asked for an order that was cancelled or paid meanwhile.",
    ),
    Mutation(
        "further-payment-under-an-answered-request-id",
        f"{_ORDERS}/storage/retrying.py",
        '    held = select(orders.c.id).where(*as_seen, ~repeated.exists()).with_for_update().cte("held")',
        '    held = select(orders.c.id).where(*as_seen).with_for_update().cte("held")',
        (f"{_ORDERS_TESTS}/storage/test_retrying.py::test_a_request_that_was_answered_begins_nothing",),
        "One request makes two payments.",
    ),
)
