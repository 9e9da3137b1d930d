"""The account topics: orders, executions, holdings and figures as Tiger pushes them.

All of them are made from what the HTTP methods answer, so that both sides tell the same story.

Source: tigeropen 3.8.0, `push/pb/*.proto`; the examples of `examples/push_client_demo.py`.
"""

from decimal import Decimal
from typing import Any

from tigeropen.push.pb.AssetData_pb2 import AssetData
from tigeropen.push.pb.OrderStatusData_pb2 import OrderStatusData
from tigeropen.push.pb.OrderTransactionData_pb2 import OrderTransactionData
from tigeropen.push.pb.PositionData_pb2 import PositionData
from tigeropen.push.pb.PushData_pb2 import PushData
from tigeropen.push.pb.SocketCommon_pb2 import SocketCommon

Json = dict[str, Any]

COMMODITIES = frozenset({"FUT", "FOP"})


def order_message(order: Json, *, at_ms: int) -> PushData:
    """Return an order of the listings as its push; what it does not have stays unset."""
    data = OrderStatusData(
        id=order["id"],
        account=order["account"],
        action=order["action"],
        orderType=order["orderType"],
        isLong=order["action"] == "BUY",
        totalQuantity=order["totalQuantity"],
        totalQuantityScale=order["totalQuantityScale"],
        filledQuantity=order["filledQuantity"],
        filledQuantityScale=order["filledQuantityScale"],
        avgFillPrice=order["avgFillPrice"],
        limitPrice=order.get("limitPrice"),
        stopPrice=order.get("auxPrice"),
        realizedPnl=order["realizedPnl"],
        status=order["status"],
        replaceStatus=order["replaceStatus"],
        cancelStatus=order["cancelStatus"],
        outsideRth=order["outsideRth"],
        canModify=order["canModify"],
        canCancel=order["canCancel"],
        liquidation=order["liquidation"],
        name=order["name"],
        source=order["source"],
        errorMsg=order.get("remark"),
        attrDesc=order.get("attrDesc"),
        commissionAndFee=order["commission"],
        openTime=order["openTime"],
        timestamp=at_ms,
        userMark=order["userMark"],
        totalCashAmount=order.get("totalCashAmount"),
        filledCashAmount=order["filledCashAmount"],
        gst=order["gst"],
        attrList=order["attrList"],
        timeInForce=order["timeInForce"],
        updateTime=order["updateTime"],
        latestTime=order["latestTime"],
        **_option_terms(order),
        **_contract(order),
    )
    return PushData(dataType=SocketCommon.OrderStatus, orderStatusData=data)


def transaction_message(
    fill: Json, *, account: str, identifier: str, multiplier: Decimal, at_ms: int
) -> PushData:
    """Return an execution of the listings as its push.

    Args:
        fill: as the listings give it, which leaves out the other three.
    """
    done_ms = fill["transactionTime"]
    data = OrderTransactionData(
        id=fill["id"],
        orderId=fill["orderId"],
        account=account,
        action=fill["action"],
        filledPrice=fill["filledPrice"],
        # This message has no scale, so a fraction of a share can not be told.
        filledQuantity=fill["filledQuantity"] // 10 ** fill["filledQuantityScale"],
        createTime=done_ms,
        updateTime=done_ms,
        transactTime=done_ms,
        timestamp=at_ms,
        **_contract(fill | {"identifier": identifier, "multiplier": multiplier}),
    )
    return PushData(dataType=SocketCommon.OrderTransaction, orderTransactionData=data)


def position_message(position: Json, *, at_ms: int) -> PushData:
    """Return a holding of the listings as its push."""
    data = PositionData(
        account=position["account"],
        position=position["position"],
        positionScale=position["positionScale"],
        averageCost=position["averageCost"],
        latestPrice=position["latestPrice"],
        marketValue=position["marketValue"],
        unrealizedPnl=position["unrealizedPnl"],
        name=position["name"],
        timestamp=at_ms,
        positionQty=position["positionQty"],
        salableQty=position["salableQty"],
        **_option_terms(position),
        **_contract(position),
    )
    return PushData(dataType=SocketCommon.Position, positionData=data)


def closed_position(position: Json) -> Json:
    """Return a holding as it is after its last share went."""
    nothing = dict.fromkeys(("position", "positionScale"), 0)
    figures = ("averageCost", "marketValue", "unrealizedPnl", "positionQty", "salableQty")
    return position | nothing | dict.fromkeys(figures, 0.0)


def asset_message(account: str, segment: Json, *, at_ms: int) -> PushData:
    """Return a segment of an account's figures as its push.

    In Tiger's example `availableFunds` is the equity less the initial margin, `excessLiquidity` the
    equity less the maintenance margin.
    """
    data = AssetData(
        account=account,
        currency=segment["currency"],
        segType=segment["category"],
        availableFunds=_less(segment["equityWithLoan"], segment["initMargin"]),
        excessLiquidity=_less(segment["equityWithLoan"], segment["maintainMargin"]),
        netLiquidation=segment["netLiquidation"],
        equityWithLoan=segment["equityWithLoan"],
        buyingPower=segment["buyingPower"],
        cashBalance=segment["cashBalance"],
        grossPositionValue=segment["grossPositionValue"],
        initMarginReq=segment["initMargin"],
        maintMarginReq=segment["maintainMargin"],
        timestamp=at_ms,
    )
    return PushData(dataType=SocketCommon.Asset, assetData=data)


# What all messages about a contract say of it.
def _contract(fields: Json) -> Json:
    return {
        "symbol": fields["symbol"],
        "identifier": fields["identifier"],
        "multiplier": int(fields["multiplier"]),
        "market": fields["market"],
        "currency": fields["currency"],
        "segType": "C" if fields["secType"] in COMMODITIES else "S",
        "secType": fields["secType"],
    }


def _option_terms(fields: Json) -> Json:
    return {name: fields.get(name) for name in ("expiry", "strike", "right")}


def _less(total: float, part: float) -> float:
    # Through the shortest text of each, so that no binary dust is left.
    return float(Decimal(str(total)) - Decimal(str(part)))
