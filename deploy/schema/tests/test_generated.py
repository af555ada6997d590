"""The reference and the diagrams say all that the tables say, and nothing dangles in them."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lumi_schema.__main__ import check, written
from lumi_schema.diagrams import diagrams
from lumi_schema.draw import draw, is_drawn
from lumi_schema.model import Context, read_contexts, read_every
from lumi_schema.reference import reference
from lumi_schema.words import UnknownWords, read_words

_NODE = re.compile(r'^\s*"([\w.]+)" \[label=<(.*)>\]$', re.MULTILINE)
_EDGE = re.compile(r'^\s*"([\w.]+)"(?::"(\w+)":[ew])? -> "([\w.]+)"(?::"(\w+)":[ew])? \[(.*)\]$', re.MULTILINE)


@pytest.fixture(scope="module")
def contexts() -> list[Context]:
    return read_contexts()


@pytest.fixture(scope="module")
def page(contexts: list[Context]) -> str:
    return reference(contexts, read_every())


@pytest.fixture(scope="module")
def drawings(contexts: list[Context]) -> dict[str, str]:
    return diagrams(contexts)


def test_every_table_has_its_heading_and_every_column_its_row(contexts: list[Context], page: str) -> None:
    for context in [*contexts, read_every()]:
        for table in context.tables:
            section = page.split(f"### {table.model or table.name}\n")[1].split("\n### ")[0]
            assert f"`{table.full_name.removeprefix('every.')}`" in section
            for column in table.columns:
                assert f"\n| `{column.name}` | `{column.type}`{'?' if column.nullable else ''} |" in section


def test_every_link_of_the_page_leads_somewhere(page: str) -> None:
    anchors = [
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", page, re.M)
    ]

    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\(#([^)]*)\)", page)) <= set(anchors)


def test_rows_of_a_table_have_as_many_cells_as_its_head(page: str) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block


def test_what_the_page_counts_is_what_the_seed_has(page: str) -> None:
    assert "31 models and 11 enums in five schemas" in page


def test_every_table_and_column_is_drawn(contexts: list[Context], drawings: dict[str, str]) -> None:
    for context in contexts:
        nodes = dict(_NODE.findall(drawings[context.name]))
        assert {table.full_name for table in context.tables} == set(nodes)
        for table in context.tables:
            cells = [cell.strip() for cell in ElementTree.fromstring(nodes[table.full_name]).itertext()]
            assert [column.name for column in table.columns if column.name not in cells] == []


def test_every_edge_ends_at_columns_that_are_drawn(drawings: dict[str, str]) -> None:
    for text in drawings.values():
        ports = {name: set(re.findall(r'port="(\w+)"', label)) for name, label in _NODE.findall(text)}
        edges = _EDGE.findall(text)
        assert len(edges) == text.count("arrowtail=")
        for start, start_port, end, end_port, _ in edges:
            assert start_port in ports[start]
            assert end_port in ports[end] if end_port else f'"{end}" [shape=box' in text


def test_what_crosses_a_service_is_dashed_in_the_whole_and_nothing_else(
    contexts: list[Context], drawings: dict[str, str]
) -> None:
    links = [link for context in contexts for table in context.tables for _, link in table.links]
    edges = _EDGE.findall(drawings["lumi"])
    across = [edge for edge in edges if edge[0].split(".")[0] != edge[2].split(".")[0]]

    assert len(edges) == len(links)
    assert [edge for edge in edges if "style=dashed" in edge[4]] == across
    assert len(across) == 14


def test_a_table_without_words_is_refused_by_name() -> None:
    words = read_words("marketing")

    with pytest.raises(UnknownWords, match=r"words/marketing.toml says nothing about the table gifts"):
        words.expect({name: set() for name in (*words.tables, "gifts")}, set(words.enums))


def test_words_about_what_is_gone_are_refused() -> None:
    words = read_words("marketing")
    columns = {"coupons": {"code"}, "coupon_usages": {"user_id", "discount_amount"}}

    with pytest.raises(UnknownWords, match=r"a column coupons.value that is not there"):
        words.expect(columns, set(words.enums))
    with pytest.raises(UnknownWords, match="an enum coupon_type that is not there"):
        words.expect(columns, set())
    with pytest.raises(UnknownWords, match="a table coupon_usages that is not there"):
        words.expect({"coupons": columns["coupons"]}, set(words.enums))


def test_a_text_that_somebody_changed_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = written(tmp_path)
    for path, text in texts.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    page = tmp_path / "schema-reference.md"
    page.write_text("something else", encoding="utf-8")
    (tmp_path / "diagrams" / "gone.dot").touch()

    assert check(texts) == 1
    complaints = capsys.readouterr().err
    assert "schema-reference.md is stale" in complaints
    assert "gone.dot is stale" in complaints
    assert "orders.svg is stale" in complaints
    assert "orders.dot is stale" not in complaints


def test_a_picture_is_of_its_source(tmp_path: Path) -> None:
    pytest.importorskip("pygraphviz", reason="only `make generate` installs what draws")
    source = tmp_path / "marketing.dot"
    source.write_text(diagrams(read_contexts())["marketing"], encoding="utf-8")
    draw(source)

    assert is_drawn(source)
    ElementTree.fromstring(source.with_suffix(".svg").read_text(encoding="utf-8"))
    assert source.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    source.write_text(source.read_text(encoding="utf-8").replace("coupons", "vouchers"), encoding="utf-8")
    assert not is_drawn(source)
