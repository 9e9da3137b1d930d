"""The listed companies: size, margins, fiscal year and industry.

Figures are of the order of the companies' published ones for fiscal 2025, so that ratios look as
they do in life; they are no source about the companies. Industries are of the Global Industry
Classification Standard (2023).
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

MILLION = 1_000_000


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """A company whose shares are listed (money in its reporting currency)."""

    symbol: str
    shares: int
    float_share: Decimal  # what of the shares is traded freely
    revenue: int  # of the fiscal year 2025
    gross_margin: Decimal
    net_margin: Decimal
    growth: Decimal  # of the revenue, per year
    currency: str
    year_ends: int  # month
    industry: str  # id of its sub-industry


def _company(text: str) -> Company:
    symbol, shares, traded, revenue, gross, net, growth, currency, ends, industry = text.split()
    return Company(
        symbol=symbol,
        shares=int(Decimal(shares) * MILLION),
        float_share=Decimal(traded),
        revenue=int(revenue) * MILLION,
        gross_margin=Decimal(gross),
        net_margin=Decimal(net),
        growth=Decimal(growth),
        currency=currency,
        year_ends=int(ends),
        industry=industry,
    )


# Symbol, shares and revenue in millions, shares in free float, gross and net margin, growth,
# currency, month in which the fiscal year ends, sub-industry.
COMPANIES: Mapping[str, Company] = {
    company.symbol: company
    for company in map(
        _company,
        (
            "AAPL 14800 0.99 416000 0.469 0.269 0.05 USD 9 45202030",
            "MSFT 7430 0.99 282000 0.688 0.361 0.13 USD 6 45103020",
            "NVDA 24300 0.96 187000 0.700 0.530 0.45 USD 1 45301020",
            "TSLA 3320 0.87 96000 0.170 0.055 0.08 USD 12 25102010",
            "AMZN 10690 0.90 691000 0.500 0.110 0.11 USD 12 25503030",
            "GOOG 12100 0.93 385000 0.590 0.320 0.13 USD 12 50203010",
            "BRK.A 1.44 0.85 372000 0.250 0.180 0.05 USD 12 40201040",
            "BURU 120 0.80 2 0.050 -6.500 0.10 USD 12 20104010",
            "00700 9100 0.60 720000 0.550 0.300 0.10 CNY 12 50203010",
            "09988 19000 0.80 1000000 0.400 0.130 0.06 CNY 3 25503030",
            "03690 6100 0.80 350000 0.380 0.090 0.18 CNY 12 25301040",
            "00005 17200 0.98 66000 0.620 0.340 0.03 USD 12 40101010",
            "02318 18200 0.90 1100000 0.240 0.120 0.05 CNY 12 40301020",
            "00939 250000 0.40 750000 0.640 0.450 0.02 CNY 12 40101010",
            "D05 2840 0.70 22000 0.650 0.500 0.06 SGD 12 40101010",
            "Z74 16500 0.48 14100 0.550 0.280 0.02 SGD 3 50101020",
            "5E2 3390 0.60 9000 0.060 0.030 0.09 SGD 12 20106010",
            "BHP 5070 0.95 51000 0.600 0.200 0.03 USD 6 15104020",
            "CBA 1670 0.98 28000 0.650 0.370 0.03 AUD 6 40101010",
            "AVZ 3500 0.80 1 0.100 -9.000 0.02 AUD 6 15104020",
            "600519 1252 0.38 175000 0.910 0.490 0.12 CNY 12 30201020",
            "000858 3880 0.42 89000 0.770 0.360 0.07 CNY 12 30201020",
        ),
    )
}
