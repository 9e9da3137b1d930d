"""The listed stocks, funds, warrants and bull/bear contracts."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from infra.sandbox.market.terms import Instrument, Right, SecType, Venue

CURRENCIES: Mapping[Venue, str] = {
    "US": "USD",
    "HK": "HKD",
    "SG": "SGD",
    "AU": "AUD",
    "CN": "CNH",
}
LISTING_EXCHANGES: Mapping[Venue, str] = {
    "US": "NASDAQ",
    "HK": "SEHK",
    "SG": "SGX",
    "AU": "ASX",
    "CN": "SEHKNTL",
}


def _stock(
    market: Venue,
    contract_id: int,
    symbol: str,
    name: str,
    price: str,
    *,
    lot_size: int = 1,
    exchange: str = "",
    is_etf: bool = False,
) -> Instrument:
    return Instrument(
        contract_id=contract_id,
        key=symbol,
        symbol=symbol,
        name=name,
        market=market,
        currency=CURRENCIES[market],
        exchange=exchange or LISTING_EXCHANGES[market],
        base_price=Decimal(price),
        lot_size=lot_size,
        is_etf=is_etf,
        is_shortable=market in ("US", "HK"),
    )


def _structured(
    contract_id: int,
    symbol: str,
    name: str,
    *,
    sec_type: SecType,
    underlying: str,
    price: str,
    right: Right,
    strike: str,
    expiry: date,
    ratio: str,
) -> Instrument:
    return Instrument(
        contract_id=contract_id,
        key=symbol,
        symbol=symbol,
        name=name,
        market="HK",
        currency="HKD",
        exchange="SEHK",
        base_price=Decimal(price),
        lot_size=10_000,
        sec_type=sec_type,
        expiry=expiry,
        strike=Decimal(strike),
        right=right,
        underlying=underlying,
        conversion_ratio=Decimal(ratio),
        is_shortable=False,
    )


CATALOGUE: Mapping[str, Instrument] = {
    instrument.key: instrument
    for instrument in (
        _stock("US", 14, "AAPL", "Apple", "230.00"),
        _stock("US", 94, "MSFT", "Microsoft", "480.00"),
        _stock("US", 113, "NVDA", "NVIDIA", "180.00"),
        _stock("US", 68, "TSLA", "Tesla Motors", "400.00"),
        _stock("US", 23, "AMZN", "Amazon.com", "225.00"),
        _stock("US", 2716, "GOOG", "Alphabet", "300.00"),
        _stock("US", 756, "SPY", "SPDR S&P 500 ETF Trust", "660.00", exchange="ARCA", is_etf=True),
        _stock("US", 757, "QQQ", "Invesco QQQ Trust", "600.00", is_etf=True),
        _stock("US", 801, "BRK.A", "Berkshire Hathaway", "740000.00", exchange="NYSE"),
        _stock("US", 802, "BURU", "Nuburu", "0.2500", exchange="AMEX"),
        _stock("HK", 1001, "00700", "TENCENT", "620.0", lot_size=100),
        _stock("HK", 1002, "09988", "BABA-W", "160.0", lot_size=100),
        _stock("HK", 1003, "03690", "MEITUAN-W", "105.0", lot_size=100),
        _stock("HK", 1004, "00005", "HSBC HOLDINGS", "110.0", lot_size=400),
        _stock("HK", 1005, "02318", "PING AN", "58.00", lot_size=500),
        _stock("HK", 1006, "00939", "CCB", "8.00", lot_size=1000),
        _stock("HK", 1007, "02800", "TRACKER FUND", "26.00", lot_size=500, is_etf=True),
        _stock("SG", 2001, "D05", "DBS", "53.00", lot_size=100),
        _stock("SG", 2002, "Z74", "Singtel", "4.50", lot_size=100),
        _stock("SG", 2003, "5E2", "Seatrium Nano", "0.150", lot_size=100),
        _stock("AU", 3001, "BHP", "BHP Group", "42.00"),
        _stock("AU", 3002, "CBA", "Commonwealth Bank of Australia", "165.00"),
        _stock("AU", 3003, "AVZ", "AVZ Minerals", "0.780"),
        _stock("CN", 4001, "600519", "Kweichow Moutai", "1450.00", lot_size=100),
        _stock("CN", 4002, "000858", "Wuliangye", "120.00", lot_size=100),
        _structured(
            5001,
            "13719",
            "TENCENT CALL 2027",
            sec_type="WAR",
            underlying="00700",
            price="0.170",
            right="CALL",
            strike="680",
            expiry=date(2027, 12, 20),
            ratio="500",
        ),
        _structured(
            5002,
            "14028",
            "BABA PUT 2027",
            sec_type="WAR",
            underlying="09988",
            price="0.120",
            right="PUT",
            strike="150",
            expiry=date(2027, 11, 22),
            ratio="100",
        ),
        _structured(
            5003,
            "58123",
            "TENCENT BULL 2027",
            sec_type="IOPT",
            underlying="00700",
            price="0.220",
            right="CALL",
            strike="510",
            expiry=date(2027, 12, 30),
            ratio="500",
        ),
        _structured(
            5004,
            "62077",
            "TENCENT BEAR 2027",
            sec_type="IOPT",
            underlying="00700",
            price="0.260",
            right="PUT",
            strike="750",
            expiry=date(2027, 12, 30),
            ratio="500",
        ),
    )
}
