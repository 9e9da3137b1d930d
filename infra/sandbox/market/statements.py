"""Quarterly statements of the listed companies, and what analysts reckon from them.

Every figure of a quarter follows from the company's size and margins, its growth, and a hash of
(seed, company, quarter); yearly figures are sums of quarters, balances those of the last one.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

import msgspec

from infra.sandbox.market.companies import Company
from infra.sandbox.market.noise import MILLION, between, share, stream

YEAR_OF_FIGURES = 2025
TAX_PPM = 180_000
SEASON_PPM = 60_000  # how far a quarter leaves the even path
MARGIN_PPM = 15_000
Quarter = int  # year * 4 + number of the calendar quarter in which it ends (0..3)


class Flows(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in a span of quarters (whole currency units)."""

    revenue: int
    cost: int
    research: int
    administration: int
    depreciation: int
    interest: int
    tax: int
    net: int
    capital_spending: int
    investing: int
    financing: int

    @property
    def gross(self) -> int:
        """Revenue less what the goods cost."""
        return self.revenue - self.cost

    @property
    def operating(self) -> int:
        """Gross profit less the running expenses."""
        return self.net + self.tax + self.interest

    @property
    def from_operations(self) -> int:
        """Cash that the business brought in."""
        return self.net + self.depreciation


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """What there was at the end of a quarter (whole currency units)."""

    cash: int
    receivables: int
    inventory: int
    other_current: int
    plant: int
    intangibles: int
    current_liabilities: int
    debt: int
    equity: int

    @property
    def current_assets(self) -> int:
        """What turns into money within a year."""
        return self.cash + self.receivables + self.inventory + self.other_current

    @property
    def assets(self) -> int:
        """All that the company has."""
        return self.current_assets + self.plant + self.intangibles

    @property
    def liabilities(self) -> int:
        """All that the company owes."""
        return self.assets - self.equity


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A company's figures over a span that ends with a quarter, and those of the span before."""

    company: Company
    flows: Flows
    balances: Balances
    flows_before: Flows  # a year earlier
    balances_before: Balances
    quarters: int  # in the span

    @property
    def eps(self) -> Decimal:
        """Profit of one share."""
        return Decimal(self.flows.net) / self.company.shares


def quarter_end(company: Company, quarter: Quarter) -> date:
    """Return a quarter's last day; quarters end with the months of the company's fiscal year."""
    year, number = divmod(quarter, 4)
    month = number * 3 + (company.year_ends - 1) % 3 + 1
    following = date(year + month // 12, month % 12 + 1, 1)
    return following - timedelta(days=1)


def quarter_before(company: Company, day: date) -> Quarter:
    """Return the newest quarter that had ended on a day."""
    quarter = day.year * 4 + (day.month - 1) // 3 + 1
    while quarter_end(company, quarter) > day:
        quarter -= 1
    return quarter


def ends_fiscal_year(company: Company, quarter: Quarter) -> bool:
    """Say whether a fiscal year ends with a quarter."""
    return quarter_end(company, quarter).month == company.year_ends


def report_of(company: Company, seed: int, quarter: Quarter, *, quarters: int) -> Report:
    """Return the figures of so many quarters up to one."""
    return Report(
        company=company,
        flows=_sum(company, seed, quarter, quarters),
        balances=balances_of(company, seed, quarter),
        flows_before=_sum(company, seed, quarter - 4, quarters),
        balances_before=balances_of(company, seed, quarter - 4),
        quarters=quarters,
    )


@lru_cache(maxsize=8192)
def flows_of(company: Company, seed: int, quarter: Quarter) -> Flows:
    """Return one quarter's flows."""
    base = stream(seed, f"{company.symbol}/quarter")
    even = company.revenue * _grown(company, quarter) // 4
    revenue = share(int(even), between(base, -SEASON_PPM, SEASON_PPM, quarter, 0))
    noise = between(base, -MARGIN_PPM, MARGIN_PPM, quarter, 1)
    gross = revenue * (int(company.gross_margin * MILLION) + noise) // MILLION
    net = revenue * (int(company.net_margin * MILLION) + noise) // MILLION
    interest = revenue * between(base, 4_000, 9_000, quarter, 2) // MILLION
    tax = max(0, net) * TAX_PPM // (MILLION - TAX_PPM)
    expenses = max(0, gross - (net + tax + interest))
    research = expenses * between(base, 300_000, 500_000, quarter, 3) // MILLION
    spending = revenue * between(base, 50_000, 90_000, quarter, 4) // MILLION
    return Flows(
        revenue=revenue,
        cost=revenue - gross,
        research=research,
        administration=expenses - research,
        depreciation=revenue * between(base, 25_000, 45_000, quarter, 5) // MILLION,
        interest=interest,
        tax=tax,
        net=net,
        capital_spending=-spending,
        investing=-spending - revenue * between(base, 0, 40_000, quarter, 6) // MILLION,
        financing=-revenue * between(base, 20_000, 90_000, quarter, 7) // MILLION,
    )


@lru_cache(maxsize=8192)
def balances_of(company: Company, seed: int, quarter: Quarter) -> Balances:
    """Return what there was at the end of a quarter."""
    base = stream(seed, f"{company.symbol}/balance")
    year = int(company.revenue * _grown(company, quarter))

    def part(low: int, high: int, number: int) -> int:
        return year * between(base, low, high, quarter, number) // MILLION

    cash, receivables = part(180_000, 220_000, 0), part(90_000, 110_000, 1)
    inventory, other = part(40_000, 60_000, 2), part(40_000, 60_000, 3)
    plant, intangibles = part(280_000, 320_000, 4), part(130_000, 150_000, 5)
    debt = part(180_000, 220_000, 6)
    current = part(200_000, 240_000, 7)
    assets = cash + receivables + inventory + other + plant + intangibles
    return Balances(
        cash=cash,
        receivables=receivables,
        inventory=inventory,
        other_current=other,
        plant=plant,
        intangibles=intangibles,
        current_liabilities=current,
        debt=debt,
        equity=assets - current - debt,
    )


def figure(report: Report, field: str) -> Decimal | None:
    """Return a figure by Tiger's name for it; none for one that is not reckoned here."""
    if (reckon := FIGURES.get(field)) is not None:
        return reckon(report)
    if (compared := GROWTHS.get(field)) is not None:
        return _growth(*compared(report))
    return None


def _sum(company: Company, seed: int, quarter: Quarter, quarters: int) -> Flows:
    parts = [flows_of(company, seed, quarter - number) for number in range(quarters)]
    names = Flows.__struct_fields__
    return Flows(**{name: sum(getattr(part, name) for part in parts) for name in names})


def _grown(company: Company, quarter: Quarter) -> Decimal:
    quarters = quarter - (YEAR_OF_FIGURES * 4 + 3)
    return (1 + company.growth / 4) ** quarters


def _growth(now: int, before: int) -> Decimal:
    return _over(now - before, abs(before))


def _over(part: int, whole: int) -> Decimal:
    # Rounded to six places, as ratios are shown; 0 of nothing.
    if whole == 0:
        return Decimal(0)
    return round(Decimal(part) / whole, 6)


def _per_share(amount: int, report: Report) -> Decimal:
    return round(Decimal(amount) / report.company.shares, 6)


# Names as in tigeropen 3.8.0, `common/consts/fundamental_fields.py`.
FIGURES: Mapping[str, Callable[[Report], Decimal]] = {
    "total_revenue": lambda r: Decimal(r.flows.revenue),
    "revenues": lambda r: Decimal(r.flows.revenue),
    "cost_of_revenues": lambda r: Decimal(r.flows.cost),
    "cost_of_goods_sold": lambda r: Decimal(r.flows.cost),
    "gross_profit": lambda r: Decimal(r.flows.gross),
    "rd_exp": lambda r: Decimal(r.flows.research),
    "rd_expense": lambda r: Decimal(r.flows.research),
    "sga_exp_total": lambda r: Decimal(r.flows.administration),
    "selling_general_admin_exp": lambda r: Decimal(r.flows.administration),
    "total_operating_expenses": lambda r: Decimal(r.flows.gross - r.flows.operating),
    "operating_income": lambda r: Decimal(r.flows.operating),
    "ebit": lambda r: Decimal(r.flows.operating),
    "ebitda": lambda r: Decimal(r.flows.operating + r.flows.depreciation),
    "depreciation_amort": lambda r: Decimal(r.flows.depreciation),
    "interest_expense": lambda r: Decimal(-r.flows.interest),
    "net_interest_exp": lambda r: Decimal(-r.flows.interest),
    "ebt_excl_unusual_items": lambda r: Decimal(r.flows.net + r.flows.tax),
    "ebt_incl_unusual_items": lambda r: Decimal(r.flows.net + r.flows.tax),
    "income_tax_expense": lambda r: Decimal(r.flows.tax),
    "earnings_from_cont_ops": lambda r: Decimal(r.flows.net),
    "net_income_to_company": lambda r: Decimal(r.flows.net),
    "net_income": lambda r: Decimal(r.flows.net),
    "normalized_net_income": lambda r: Decimal(r.flows.net),
    "basic_eps": lambda r: round(r.eps, 6),
    "diluted_eps_excl_extra_items": lambda r: round(r.eps, 6),
    "diluted_eps_incl_extra_items": lambda r: round(r.eps, 6),
    "weighted_avg_shares_outstanding": lambda r: Decimal(r.company.shares),
    "weighted_avg_diluted_shares_out": lambda r: Decimal(r.company.shares),
    "revenues_per_share": lambda r: _per_share(r.flows.revenue, r),
    "cash_and_equivalents": lambda r: Decimal(r.balances.cash),
    "total_cash_st_investments": lambda r: Decimal(r.balances.cash),
    "accounts_receivable": lambda r: Decimal(r.balances.receivables),
    "total_receivables": lambda r: Decimal(r.balances.receivables),
    "inventory": lambda r: Decimal(r.balances.inventory),
    "other_current_assets": lambda r: Decimal(r.balances.other_current),
    "total_current_assets": lambda r: Decimal(r.balances.current_assets),
    "net_property_plant_equipment": lambda r: Decimal(r.balances.plant),
    "total_intangibles": lambda r: Decimal(r.balances.intangibles),
    "total_assets": lambda r: Decimal(r.balances.assets),
    "total_current_liabilities": lambda r: Decimal(r.balances.current_liabilities),
    "total_debt": lambda r: Decimal(r.balances.debt),
    "net_debt": lambda r: Decimal(r.balances.debt - r.balances.cash),
    "longterm_debt": lambda r: Decimal(r.balances.debt),
    "total_liabilities": lambda r: Decimal(r.balances.liabilities),
    "total_equity": lambda r: Decimal(r.balances.equity),
    "total_common_equity": lambda r: Decimal(r.balances.equity),
    "total_liabilities_and_equity": lambda r: Decimal(r.balances.assets),
    "book_valueshare": lambda r: _per_share(r.balances.equity, r),
    "tangible_book_value": lambda r: Decimal(r.balances.equity - r.balances.intangibles),
    "working_capital": lambda r: Decimal(
        r.balances.current_assets - r.balances.current_liabilities
    ),
    "total_capital": lambda r: Decimal(r.balances.debt + r.balances.equity),
    "cash_from_ops": lambda r: Decimal(r.flows.from_operations),
    "capital_expenditure": lambda r: Decimal(r.flows.capital_spending),
    "cash_from_investing": lambda r: Decimal(r.flows.investing),
    "cash_from_financing": lambda r: Decimal(r.flows.financing),
    "net_change_in_cash": lambda r: Decimal(
        r.flows.from_operations + r.flows.investing + r.flows.financing
    ),
    "levered_free_cash_flow": lambda r: Decimal(r.flows.from_operations + r.flows.capital_spending),
    "gross_margin": lambda r: _over(r.flows.gross, r.flows.revenue),
    "ebit_margin": lambda r: _over(r.flows.operating, r.flows.revenue),
    "net_income_margin": lambda r: _over(r.flows.net, r.flows.revenue),
    "earnings_from_cont_ops_margin": lambda r: _over(r.flows.net, r.flows.revenue),
    "return_on_assets": lambda r: _over(r.flows.net, r.balances.assets),
    "return_on_equity": lambda r: _over(r.flows.net, r.balances.equity),
    "return_on_common_equity": lambda r: _over(r.flows.net, r.balances.equity),
    "return_on_capital": lambda r: _over(r.flows.net, r.balances.debt + r.balances.equity),
    "total_debt_to_equity": lambda r: _over(r.balances.debt, r.balances.equity),
    "lt_debt_to_equity": lambda r: _over(r.balances.debt, r.balances.equity),
    "total_liabilities_to_total_assets": lambda r: _over(r.balances.liabilities, r.balances.assets),
    "ebit_to_interest_exp": lambda r: _over(r.flows.operating, r.flows.interest),
    "total_asset_turnover": lambda r: _over(r.flows.revenue, r.balances.assets),
    "fixed_asset_turnover": lambda r: _over(r.flows.revenue, r.balances.plant),
    "accounts_receivable_turnover": lambda r: _over(r.flows.revenue, r.balances.receivables),
    "inventory_turnover": lambda r: _over(r.flows.cost, r.balances.inventory),
    "current_ratio": lambda r: _over(r.balances.current_assets, r.balances.current_liabilities),
    "quick_ratio": lambda r: _over(
        r.balances.current_assets - r.balances.inventory, r.balances.current_liabilities
    ),
    "cash_from_ops_to_curr_liab": lambda r: _over(
        r.flows.from_operations, r.balances.current_liabilities
    ),
}
GROWTHS: Mapping[str, Callable[[Report], tuple[int, int]]] = {
    "total_revenues_1_yr_growth": lambda r: (r.flows.revenue, r.flows_before.revenue),
    "gross_profit_1_yr_growth": lambda r: (r.flows.gross, r.flows_before.gross),
    "ebit_1_yr_growth": lambda r: (r.flows.operating, r.flows_before.operating),
    "net_income_1_yr_growth": lambda r: (r.flows.net, r.flows_before.net),
    "diluted_eps_before_extra_1_yr_growth": lambda r: (r.flows.net, r.flows_before.net),
    "accounts_receivable_1_yr_growth": lambda r: (
        r.balances.receivables,
        r.balances_before.receivables,
    ),
    "inventory_1_yr_growth": lambda r: (r.balances.inventory, r.balances_before.inventory),
    "common_equity_1_yr_growth": lambda r: (r.balances.equity, r.balances_before.equity),
    "total_assets_1_yr_growth": lambda r: (r.balances.assets, r.balances_before.assets),
    "cash_from_operations_1_yr_growth": lambda r: (
        r.flows.from_operations,
        r.flows_before.from_operations,
    ),
    "capital_expenditures_1_yr_growth": lambda r: (
        r.flows.capital_spending,
        r.flows_before.capital_spending,
    ),
}
