"""Nothing begins under a request id that was answered while the beginning waited for the call before it to end.

A statement looks at `request_ids` as it was when it began, and then waits for the row of that call in `checkouts`: the
answer that is committed with the end of that row it does not see. The trigger looks after the wait. The release before
takes its refusal as it takes that of the key itself.
"""

from alembic import op

revision = "20261126_1400"
down_revision = "20261126_1010"


def upgrade() -> None:
    op.execute("""
        create function orders.checkouts_request() returns trigger language plpgsql as $$
        begin
            perform from orders.request_ids
            where principal = new.principal and request_id = new.request_id
                and method = 'lumi.orders.v1.OrderService/'
                    || case new.step when 'RETRY' then 'RetryPayment' else 'PlaceOrder' end;
            if found then
                raise unique_violation using
                    message = 'the request was answered meanwhile', constraint = 'request_ids_pkey';
            end if;
            return null;
        end $$""")
    op.execute("""
        create trigger checkouts_request_insert after insert on orders.checkouts
        for each row when (new.request_id is not null) execute function orders.checkouts_request()""")


def downgrade() -> None:
    op.execute("drop trigger checkouts_request_insert on orders.checkouts")
    op.execute("drop function orders.checkouts_request()")
