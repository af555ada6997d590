from lumi_bench.recording import Executed, of_calls, read
from lumi_bench.script import literal, script, value_in_sql

ORDER, CART = "c" + "0" * 23 + "1", "c" + "0" * 23 + "2"

LOG = f"""\
2026-01-01 00:00:00.000 UTC [7] lumi_orders@lumi LOG:  execute __asyncpg_stmt_1__: select $1::text,
\t  $2::int
2026-01-01 00:00:00.000 UTC [7] lumi_orders@lumi DETAIL:  Parameters: $1 = '{CART}', $2 = NULL
2026-01-01 00:00:00.000 UTC [8] lumi_catalogue@lumi LOG:  statement: BEGIN;
2026-01-01 00:00:00.000 UTC [9] lumi_orders@lumi LOG:  execute __asyncpg_stmt_2__: select 'sweep' limit $1
2026-01-01 00:00:00.000 UTC [9] lumi_orders@lumi DETAIL:  Parameters: $1 = '20'
2026-01-01 00:00:00.000 UTC [8] lumi_catalogue@lumi LOG:  execute __asyncpg_stmt_3__: insert into t values ($1)
2026-01-01 00:00:00.000 UTC [8] lumi_catalogue@lumi DETAIL:  Parameters: $1 = 'it''s {ORDER}, $2 = ''x'''
2026-01-01 00:00:00.000 UTC [8] lumi_catalogue@lumi LOG:  statement: COMMIT;
2026-01-01 00:00:00.000 UTC [5] postgres@lumi LOG:  statement: select 'ours'
2026-01-01 00:00:00.000 UTC [4] LOG:  checkpoint starting: time
"""


def test_the_log_gives_statements_with_their_values() -> None:
    first, *_, insert, commit = read(LOG)

    assert first == Executed(7, "lumi_orders", "select $1::text,\n  $2::int", (CART, None))
    assert insert.values == (f"it's {ORDER}, $2 = 'x'",)
    assert commit.is_bracket


def test_background_work_is_left_out_and_transactions_stay_whole() -> None:
    kept = of_calls(read(LOG))

    assert [each.sql.split()[0] for each in kept] == ["select", "BEGIN;", "insert", "COMMIT;"]


def test_known_ids_become_their_expressions_and_new_ones_the_same_expression_everywhere() -> None:
    executed = [
        Executed(1, "lumi_orders", "insert into a values ($1, $2)", (CART, ORDER)),
        Executed(1, "lumi_orders", "insert into b values ($1::text[])", (f"{{{ORDER},x}}",)),
    ]

    first, second = script(executed, {CART: "(:cart)"}).splitlines()

    new = "('cnew001' || lpad((:n)::text, 18, '0'))"
    assert first == f"insert into a values (((:cart)), ({new}));"
    assert second == f"insert into b values (('{{' || {new} || ',x}}')::text[]);"


def test_pgbench_finds_no_variable_in_a_literal() -> None:
    assert literal('{"a":true}') == "E'{\"a\"\\x3atrue}'"
    assert literal("it's") == "'it''s'"
    assert literal("\\xff:x") == "E'\\\\xff\\x3ax'"


def test_a_value_that_does_not_change_is_a_literal() -> None:
    assert value_in_sql("12", {CART: ":n"}) == "'12'"
    assert value_in_sql(None, {CART: ":n"}) == "null"


def test_a_parameter_inside_a_text_of_the_statement_stays() -> None:
    [line] = script([Executed(1, "lumi_orders", "select '$1', $1", ("x",))], {}).splitlines()

    assert line == "select '$1', 'x';"
