"""What the bench says of its measurements."""

import pytest

from infra.bench.figures import Ratio, figure, percentile, verdict


def test_warm_up_does_not_count() -> None:
    told = figure("x", "ms", [100.0, 1.0, 2.0, 3.0], warm_up=1)
    assert (told.n, told.warm_up, told.median, told.p90) == (3, 1, 2.0, 3.0)


def test_series_of_warm_up_alone_has_no_figure() -> None:
    with pytest.raises(ValueError, match="warm-up"):
        figure("x", "ms", [1.0], warm_up=1)


@pytest.mark.parametrize(
    "share, expected", [(0.0, 1.0), (0.5, 5.0), (0.9, 9.0), (0.91, 10.0), (1.0, 10.0)]
)
def test_percentile_is_a_value_that_the_share_does_not_exceed(
    share: float, expected: float
) -> None:
    values = [float(value) for value in range(10, 0, -1)]
    assert percentile(values, share) == expected


@pytest.mark.parametrize(
    "ratio, expected",
    [
        (Ratio(label="x", value=1.5, bar=1.5), "met (at most 1.5)"),
        (Ratio(label="x", value=3.0, bar=1.5), "missed by 100 % (at most 1.5)"),
        (Ratio(label="x", value=0.8, sense="at least", bar=0.8), "met (at least 0.8)"),
        (Ratio(label="x", value=0.2, sense="at least", bar=0.8), "missed by 75 % (at least 0.8)"),
        (Ratio(label="x", value=9.0), "no bar"),
    ],
)
def test_verdict_says_how_far_a_bar_was_missed(ratio: Ratio, expected: str) -> None:
    assert verdict(ratio) == expected
