"""The Global Industry Classification Standard: all sectors and groups, and what is listed below.

The structure is the one of 2023; some names and ids were compared with Tiger's examples (tigeropen
3.8.0, `quote_client.py`, `get_industry_list`, `get_stock_industry`), the rest with no source.
Industries and sub-industries are those of the listed companies.
"""

from functools import lru_cache

import msgspec

LEVELS = {"GSECTOR": 2, "GGROUP": 4, "GIND": 6, "GSUBIND": 8}  # digits of an id


class Industry(msgspec.Struct, frozen=True, kw_only=True):
    """One industry of a level."""

    id: str
    level: str
    name_en: str
    name_cn: str


def industries_at(level: str) -> tuple[Industry, ...]:
    """Return the industries of a level, by id."""
    return tuple(item for item in _all().values() if item.level == level)


def path_of(sub_industry: str) -> tuple[Industry, ...]:
    """Return the industries that hold a sub-industry, from its sector down to itself."""
    return tuple(_all()[sub_industry[:digits]] for digits in LEVELS.values())


@lru_cache(maxsize=1)
def _all() -> dict[str, Industry]:
    level_of = {digits: level for level, digits in LEVELS.items()}
    rows = (line.split("|") for line in _TABLE.strip().splitlines())
    return {
        id_: Industry(id=id_, level=level_of[len(id_)], name_en=name_en, name_cn=name_cn)
        for id_, name_en, name_cn in rows
    }


_TABLE = """
10|Energy|能源
15|Materials|原材料
20|Industrials|工业
25|Consumer Discretionary|非必需消费品
30|Consumer Staples|必需消费品
35|Health Care|医疗保健
40|Financials|金融
45|Information Technology|信息技术
50|Communication Services|通信服务
55|Utilities|公用事业
60|Real Estate|房地产
1010|Energy|能源
1510|Materials|原材料
2010|Capital Goods|资本品
2020|Commercial & Professional Services|商业和专业服务
2030|Transportation|运输
2510|Automobiles & Components|汽车与汽车零部件
2520|Consumer Durables & Apparel|耐用消费品与服装
2530|Consumer Services|消费者服务
2550|Consumer Discretionary Distribution & Retail|零售业
3010|Consumer Staples Distribution & Retail|食品与主要用品零售
3020|Food, Beverage & Tobacco|食品、饮料与烟草
3030|Household & Personal Products|家庭与个人用品
3510|Health Care Equipment & Services|医疗保健设备与服务
3520|Pharmaceuticals, Biotechnology & Life Sciences|制药、生物科技和生命科学
4010|Banks|银行
4020|Financial Services|金融服务
4030|Insurance|保险
4510|Software & Services|软件与服务
4520|Technology Hardware & Equipment|技术硬件与设备
4530|Semiconductors & Semiconductor Equipment|半导体产品与设备
5010|Telecommunication Services|电信业务
5020|Media & Entertainment|媒体与娱乐
5510|Utilities|公用事业
6010|Equity Real Estate Investment Trusts (REITs)|股权房地产投资信托
6020|Real Estate Management & Development|房地产管理和开发
151040|Metals & Mining|金属与采矿
201040|Electrical Equipment|电气设备
201060|Machinery|机械制造
251020|Automobiles|汽车
253010|Hotels, Restaurants & Leisure|酒店、餐馆与休闲
255030|Broadline Retail|综合零售
302010|Beverages|饮料
401010|Banks|银行
402010|Financial Services|金融服务
403010|Insurance|保险
451030|Software|软件
452020|Technology Hardware, Storage & Peripherals|电脑与外围设备
453010|Semiconductors & Semiconductor Equipment|半导体产品与设备
501010|Diversified Telecommunication Services|综合电信业务
502030|Interactive Media & Services|互动媒体与服务
15104020|Diversified Metals & Mining|多种金属与采矿
20104010|Electrical Components & Equipment|电气部件与设备
20106010|Construction Machinery & Heavy Transportation Equipment|建筑机械与重型运输设备
25102010|Automobile Manufacturers|汽车制造商
25301040|Restaurants|餐馆
25503030|Broadline Retail|综合零售
30201020|Distillers & Vintners|酿酒商与葡萄酒商
40101010|Diversified Banks|多元化银行
40201040|Multi-Sector Holdings|多领域控股
40301020|Life & Health Insurance|人寿与健康保险
45103020|Systems Software|系统软件
45202030|Technology Hardware, Storage & Peripherals|电脑硬件、储存设备及电脑周边
45301020|Semiconductors|半导体产品
50101020|Integrated Telecommunication Services|综合电信业务
50203010|Interactive Media & Services|互动媒体与服务
"""
