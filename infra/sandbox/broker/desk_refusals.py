"""How the desks beside trading say no."""

from typing import Literal

RefusalWord = Literal["bad_request", "not_found", "fail"]


class DeskRefusedError(Exception):
    """Nothing was done; the text says why."""

    def __init__(self, kind: RefusalWord, text: str) -> None:
        super().__init__(f"{kind}:{text}")
        self.kind: RefusalWord = kind
        self.text = text
