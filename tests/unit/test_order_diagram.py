"""The picture of an order's life says what the table says."""

from core.orders import Phase
from tests.support.order_diagram import PAGE, WORDS, page
from tests.unit.desk_cases import cases


def test_page_is_what_the_table_gives() -> None:
    assert PAGE.read_text() == page(), "run `just order-states`"


def test_every_state_is_in_the_picture() -> None:
    assert all(f" {phase}" in page() for phase in Phase)


def test_words_name_columns_that_exist() -> None:
    assert set(WORDS) <= {case.column for case in cases()}
