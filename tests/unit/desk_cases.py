"""The desk's table: what follows from every item at every point of an order's life.

Written by hand from the design, not computed from the code. A row is where one order stands, a
column is one item about it, a cell is what the ledger then gets, read from left to right:

    -         nothing
    wait      the desk keeps the item until the open act is answered
    a b c     these facts, in this order, and then nothing more
    x-a       this fact, about another order of the broker's
    no.code   a refusal with this code

The row names `phase/cancel`. Order 1 buys 100 AAPL; executions e1 (40) and e2 (60) fill it. A row
FILLED has both, a row CANCELLED has e1; every other row has no fill. A row `…_id` is in doubt, or
released, although the broker once gave the order its id; `rejected_reply` never had one.
"""

from typing import Final, NamedTuple

from core.orders import CancelPhase, Phase

# Fact -> the phase it puts the order in. A fact that is not here leaves the phase alone.
PHASE_AFTER: Final = {
    "start": Phase.SUBMITTING,
    "acc": Phase.ACCEPTED,
    "wrk": Phase.WORKING,
    "FLD": Phase.FILLED,
    "CXL": Phase.CANCELLED,
    "EXP": Phase.EXPIRED,
    "REJ": Phase.REJECTED,
    "nst": Phase.NOT_SENT,
    "unk": Phase.UNKNOWN,
    "nfd": Phase.NOT_FOUND,
    "rel": Phase.RELEASED,
}
# Fact -> where it puts the wish to cancel. A fact that is not here leaves it alone.
CANCEL_AFTER: Final = {
    "c-want": CancelPhase.WANTED,
    "c-start": CancelPhase.STARTED,
    "c-requ": CancelPhase.REQUESTED,
    "c-refu": CancelPhase.REFUSED,
    "c-unkn": CancelPhase.UNKNOWN,
}
# Fact -> its stored name. A sale of another preview's order starts another order.
STORED_NAMES: Final = {
    "start": "order.submission_started",
    "other": "order.submission_started",
    "acc": "order.accepted",
    "wrk": "order.working",
    "fill": "order.fill_recorded",
    "FLD": "order.filled",
    "CXL": "order.cancelled",
    "EXP": "order.expired",
    "REJ": "order.rejected",
    "nst": "order.not_sent",
    "unk": "order.outcome_unknown",
    "nfd": "order.not_found",
    "rel": "order.released",
    "c-want": "order.cancel_wanted",
    "c-start": "order.cancel_started",
    "c-requ": "order.cancel_requested",
    "c-refu": "order.cancel_refused",
    "c-unkn": "order.cancel_unknown",
    "ext": "order.external_observed",
    "frz": "account.frozen",
    "halt": "account.halted",
    "resume": "account.resumed",
    "stale": "account.stale",
    "recon": "account.reconciled",
}
REFUSAL_CODES: Final = {
    "no.unseen": "preview_unknown",
    "no.old": "preview_expired",
    "no.used": "preview_used",
    "no.doubt": "symbol_in_doubt",
    "no.order": "order_unknown",
    "no.done": "order_not_open",
    "no.sure": "order_not_in_doubt",
}

# same: the submit command that the order came from. again: the same preview under a new command.
# other: another preview that buys the same symbol.
COMMANDS: Final = """
                        same       again      other     cancel    release
no_preview              no.unseen  no.unseen  other     no.order  no.order
preview_valid           start      start      other     no.order  no.order
preview_expired         no.old     no.old     other     no.order  no.order
submitting/none         -          wait       wait      c-want    no.sure
submitting/wanted       -          wait       wait      c-want    no.sure
accepted/none           -          no.used    other     c-start   no.sure
accepted/wanted         -          no.used    other     c-start   no.sure
accepted/started        -          no.used    other     wait      no.sure
accepted/requested      -          no.used    other     c-start   no.sure
working/none            -          no.used    other     c-start   no.sure
working/wanted          -          no.used    other     c-start   no.sure
working/started         -          no.used    other     wait      no.sure
working/requested       -          no.used    other     c-start   no.sure
filled/none             -          no.used    other     no.done   no.sure
filled/wanted           -          no.used    other     no.done   no.sure
filled/started          -          no.used    other     no.done   no.sure
filled/requested        -          no.used    other     no.done   no.sure
cancelled/none          -          no.used    other     no.done   no.sure
cancelled/wanted        -          no.used    other     no.done   no.sure
cancelled/started       -          no.used    other     no.done   no.sure
cancelled/requested     -          no.used    other     no.done   no.sure
expired/none            -          no.used    other     no.done   no.sure
expired/wanted          -          no.used    other     no.done   no.sure
expired/started         -          no.used    other     no.done   no.sure
expired/requested       -          no.used    other     no.done   no.sure
rejected/none           -          no.used    other     no.done   no.sure
rejected/wanted         -          no.used    other     no.done   no.sure
rejected/started        -          no.used    other     no.done   no.sure
rejected/requested      -          no.used    other     no.done   no.sure
rejected_reply/none     -          no.used    other     no.done   no.sure
rejected_reply/wanted   -          no.used    other     no.done   no.sure
not_sent/none           -          no.used    other     no.done   no.sure
not_sent/wanted         -          no.used    other     no.done   no.sure
unknown/none            -          no.used    no.doubt  c-want    rel
unknown/wanted          -          no.used    no.doubt  c-want    rel
not_found/none          -          no.used    no.doubt  c-want    rel
not_found/wanted        -          no.used    no.doubt  c-want    rel
released/none           -          no.used    other     c-want    no.sure
released/wanted         -          no.used    other     c-want    no.sure
unknown_id/none         -          no.used    no.doubt  c-start   rel
unknown_id/wanted       -          no.used    no.doubt  c-start   rel
unknown_id/started      -          no.used    no.doubt  wait      rel
unknown_id/requested    -          no.used    no.doubt  c-start   rel
not_found_id/none       -          no.used    no.doubt  c-start   rel
not_found_id/wanted     -          no.used    no.doubt  c-start   rel
not_found_id/started    -          no.used    no.doubt  wait      rel
not_found_id/requested  -          no.used    no.doubt  c-start   rel
released_id/none        -          no.used    other     c-start   no.sure
released_id/wanted      -          no.used    other     c-start   no.sure
released_id/started     -          no.used    other     wait      no.sure
released_id/requested   -          no.used    other     c-start   no.sure
"""

# How the one call to place ended (p-), how a call to cancel ended (c-), and at start: an act of
# this order was under way when the process died. A listing may have been quicker than the reply:
# then the listing counts. An answer about an order that no ledger has leads to nothing. The one
# call to place is over, or given up, before an order with an id can be missed by the listings.
ANSWERS: Final = """
                        p-done p-no p-unsent p-doubt c-done c-no   c-unsent c-doubt abandoned
no_preview              -      -    -        -       -      -      -        -       -
preview_valid           -      -    -        -       -      -      -        -       -
preview_expired         -      -    -        -       -      -      -        -       -
submitting/none         acc    REJ  nst      unk     -      -      -        -       unk
submitting/wanted       acc    REJ  nst      unk     -      -      -        -       unk
accepted/none           -      -    -        -       -      -      -        -       -
accepted/wanted         -      -    -        -       -      -      -        -       -
accepted/started        -      -    -        -       c-requ c-refu c-refu   c-unkn  c-unkn
accepted/requested      -      -    -        -       -      -      -        -       -
working/none            -      -    -        -       -      -      -        -       -
working/wanted          -      -    -        -       -      -      -        -       -
working/started         -      -    -        -       c-requ c-refu c-refu   c-unkn  c-unkn
working/requested       -      -    -        -       -      -      -        -       -
filled/none             -      -    -        -       -      -      -        -       -
filled/wanted           -      -    -        -       -      -      -        -       -
filled/started          -      -    -        -       c-requ c-refu c-refu   c-unkn  c-unkn
filled/requested        -      -    -        -       -      -      -        -       -
cancelled/none          -      -    -        -       -      -      -        -       -
cancelled/wanted        -      -    -        -       -      -      -        -       -
cancelled/started       -      -    -        -       c-requ c-refu c-refu   c-unkn  c-unkn
cancelled/requested     -      -    -        -       -      -      -        -       -
expired/none            -      -    -        -       -      -      -        -       -
expired/wanted          -      -    -        -       -      -      -        -       -
expired/started         -      -    -        -       c-requ c-refu c-refu   c-unkn  c-unkn
expired/requested       -      -    -        -       -      -      -        -       -
rejected/none           -      -    -        -       -      -      -        -       -
rejected/wanted         -      -    -        -       -      -      -        -       -
rejected/started        -      -    -        -       c-requ c-refu c-refu   c-unkn  c-unkn
rejected/requested      -      -    -        -       -      -      -        -       -
rejected_reply/none     -      -    -        -       -      -      -        -       -
rejected_reply/wanted   -      -    -        -       -      -      -        -       -
not_sent/none           -      -    -        -       -      -      -        -       -
not_sent/wanted         -      -    -        -       -      -      -        -       -
unknown/none            acc    REJ  nst      -       -      -      -        -       -
unknown/wanted          acc    REJ  nst      -       -      -      -        -       -
not_found/none          -      -    -        -       -      -      -        -       -
not_found/wanted        -      -    -        -       -      -      -        -       -
released/none           -      -    -        -       -      -      -        -       -
released/wanted         -      -    -        -       -      -      -        -       -
unknown_id/none         -      -    -        -       -      -      -        -       -
unknown_id/wanted       -      -    -        -       -      -      -        -       -
unknown_id/started      -      -    -        -       c-requ c-refu c-refu   c-unkn  c-unkn
unknown_id/requested    -      -    -        -       -      -      -        -       -
not_found_id/none       -      -    -        -       -      -      -        -       -
not_found_id/wanted     -      -    -        -       -      -      -        -       -
not_found_id/started    -      -    -        -       c-requ c-refu c-refu   c-unkn  c-unkn
not_found_id/requested  -      -    -        -       -      -      -        -       -
released_id/none        -      -    -        -       -      -      -        -       -
released_id/wanted      -      -    -        -       -      -      -        -       -
released_id/started     -      -    -        -       c-requ c-refu c-refu   c-unkn  c-unkn
released_id/requested   -      -    -        -       -      -      -        -       -
"""

# A row of a listing with the order's own number, mark and terms. Where no broker id is known yet,
# number, mark and contract together are the proof that it is this order; without it the row is a
# stranger's that bears our mark. The newest listing counts: an order that was done may be live
# again, and may end otherwise.
SIGHTINGS: Final = """
                        live           part                  filled
no_preview              frz ext x-wrk  frz ext x-fill x-wrk  frz ext x-fill x-fill x-FLD
preview_valid           frz ext x-wrk  frz ext x-fill x-wrk  frz ext x-fill x-fill x-FLD
preview_expired         frz ext x-wrk  frz ext x-fill x-wrk  frz ext x-fill x-fill x-FLD
submitting/none         acc wrk        acc fill wrk          acc fill fill FLD
submitting/wanted       acc wrk        acc fill wrk          acc fill fill FLD
accepted/none           wrk            fill wrk              fill fill FLD
accepted/wanted         wrk            fill wrk              fill fill FLD
accepted/started        wrk            fill wrk              fill fill FLD
accepted/requested      wrk            fill wrk              fill fill FLD
working/none            -              fill wrk              fill fill FLD
working/wanted          -              fill wrk              fill fill FLD
working/started         -              fill wrk              fill fill FLD
working/requested       -              fill wrk              fill fill FLD
filled/none             -              -                     -
filled/wanted           -              -                     -
filled/started          -              -                     -
filled/requested        -              -                     -
cancelled/none          -              wrk                   fill FLD
cancelled/wanted        -              wrk                   fill FLD
cancelled/started       -              wrk                   fill FLD
cancelled/requested     -              wrk                   fill FLD
expired/none            wrk            fill wrk              fill fill FLD
expired/wanted          wrk            fill wrk              fill fill FLD
expired/started         wrk            fill wrk              fill fill FLD
expired/requested       wrk            fill wrk              fill fill FLD
rejected/none           wrk            fill wrk              fill fill FLD
rejected/wanted         wrk            fill wrk              fill fill FLD
rejected/started        wrk            fill wrk              fill fill FLD
rejected/requested      wrk            fill wrk              fill fill FLD
rejected_reply/none     acc wrk        acc fill wrk          acc fill fill FLD
rejected_reply/wanted   acc wrk        acc fill wrk          acc fill fill FLD
not_sent/none           acc wrk        acc fill wrk          acc fill fill FLD
not_sent/wanted         acc wrk        acc fill wrk          acc fill fill FLD
unknown/none            acc wrk        acc fill wrk          acc fill fill FLD
unknown/wanted          acc wrk        acc fill wrk          acc fill fill FLD
not_found/none          acc wrk        acc fill wrk          acc fill fill FLD
not_found/wanted        acc wrk        acc fill wrk          acc fill fill FLD
released/none           acc wrk        acc fill wrk          acc fill fill FLD
released/wanted         acc wrk        acc fill wrk          acc fill fill FLD
unknown_id/none         acc wrk        acc fill wrk          acc fill fill FLD
unknown_id/wanted       acc wrk        acc fill wrk          acc fill fill FLD
unknown_id/started      acc wrk        acc fill wrk          acc fill fill FLD
unknown_id/requested    acc wrk        acc fill wrk          acc fill fill FLD
not_found_id/none       acc wrk        acc fill wrk          acc fill fill FLD
not_found_id/wanted     acc wrk        acc fill wrk          acc fill fill FLD
not_found_id/started    acc wrk        acc fill wrk          acc fill fill FLD
not_found_id/requested  acc wrk        acc fill wrk          acc fill fill FLD
released_id/none        acc wrk        acc fill wrk          acc fill fill FLD
released_id/wanted      acc wrk        acc fill wrk          acc fill fill FLD
released_id/started     acc wrk        acc fill wrk          acc fill fill FLD
released_id/requested   acc wrk        acc fill wrk          acc fill fill FLD
"""

ENDINGS: Final = """
                        cancelled             expired        rejected
no_preview              frz ext x-fill x-CXL  frz ext x-EXP  frz ext x-REJ
preview_valid           frz ext x-fill x-CXL  frz ext x-EXP  frz ext x-REJ
preview_expired         frz ext x-fill x-CXL  frz ext x-EXP  frz ext x-REJ
submitting/none         acc fill CXL          acc EXP        acc REJ
submitting/wanted       acc fill CXL          acc EXP        acc REJ
accepted/none           fill CXL              EXP            REJ
accepted/wanted         fill CXL              EXP            REJ
accepted/started        fill CXL              EXP            REJ
accepted/requested      fill CXL              EXP            REJ
working/none            fill CXL              EXP            REJ
working/wanted          fill CXL              EXP            REJ
working/started         fill CXL              EXP            REJ
working/requested       fill CXL              EXP            REJ
filled/none             -                     -              -
filled/wanted           -                     -              -
filled/started          -                     -              -
filled/requested        -                     -              -
cancelled/none          -                     -              -
cancelled/wanted        -                     -              -
cancelled/started       -                     -              -
cancelled/requested     -                     -              -
expired/none            fill CXL              -              REJ
expired/wanted          fill CXL              -              REJ
expired/started         fill CXL              -              REJ
expired/requested       fill CXL              -              REJ
rejected/none           fill CXL              EXP            -
rejected/wanted         fill CXL              EXP            -
rejected/started        fill CXL              EXP            -
rejected/requested      fill CXL              EXP            -
rejected_reply/none     acc fill CXL          acc EXP        acc REJ
rejected_reply/wanted   acc fill CXL          acc EXP        acc REJ
not_sent/none           acc fill CXL          acc EXP        acc REJ
not_sent/wanted         acc fill CXL          acc EXP        acc REJ
unknown/none            acc fill CXL          acc EXP        acc REJ
unknown/wanted          acc fill CXL          acc EXP        acc REJ
not_found/none          acc fill CXL          acc EXP        acc REJ
not_found/wanted        acc fill CXL          acc EXP        acc REJ
released/none           acc fill CXL          acc EXP        acc REJ
released/wanted         acc fill CXL          acc EXP        acc REJ
unknown_id/none         acc fill CXL          acc EXP        acc REJ
unknown_id/wanted       acc fill CXL          acc EXP        acc REJ
unknown_id/started      acc fill CXL          acc EXP        acc REJ
unknown_id/requested    acc fill CXL          acc EXP        acc REJ
not_found_id/none       acc fill CXL          acc EXP        acc REJ
not_found_id/wanted     acc fill CXL          acc EXP        acc REJ
not_found_id/started    acc fill CXL          acc EXP        acc REJ
not_found_id/requested  acc fill CXL          acc EXP        acc REJ
released_id/none        acc fill CXL          acc EXP        acc REJ
released_id/wanted      acc fill CXL          acc EXP        acc REJ
released_id/started     acc fill CXL          acc EXP        acc REJ
released_id/requested   acc fill CXL          acc EXP        acc REJ
"""

# word: the order's own row, with a status word that nobody knows. mark: a row whose mark begins
# with our ledger's id but names no order of it. mismatch: the order's mark on another broker id,
# on the other side, in the third listing that says so.
DOUBTS: Final = """
                        word         mark           mismatch
no_preview              frz ext frz  frz ext x-wrk  frz ext x-wrk
preview_valid           frz ext frz  frz ext x-wrk  frz ext x-wrk
preview_expired         frz ext frz  frz ext x-wrk  frz ext x-wrk
submitting/none         acc frz      frz ext x-wrk  frz ext x-wrk
submitting/wanted       acc frz      frz ext x-wrk  frz ext x-wrk
accepted/none           frz          frz ext x-wrk  frz ext x-wrk
accepted/wanted         frz          frz ext x-wrk  frz ext x-wrk
accepted/started        frz          frz ext x-wrk  frz ext x-wrk
accepted/requested      frz          frz ext x-wrk  frz ext x-wrk
working/none            frz          frz ext x-wrk  frz ext x-wrk
working/wanted          frz          frz ext x-wrk  frz ext x-wrk
working/started         frz          frz ext x-wrk  frz ext x-wrk
working/requested       frz          frz ext x-wrk  frz ext x-wrk
filled/none             frz          frz ext x-wrk  frz ext x-wrk
filled/wanted           frz          frz ext x-wrk  frz ext x-wrk
filled/started          frz          frz ext x-wrk  frz ext x-wrk
filled/requested        frz          frz ext x-wrk  frz ext x-wrk
cancelled/none          frz          frz ext x-wrk  frz ext x-wrk
cancelled/wanted        frz          frz ext x-wrk  frz ext x-wrk
cancelled/started       frz          frz ext x-wrk  frz ext x-wrk
cancelled/requested     frz          frz ext x-wrk  frz ext x-wrk
expired/none            frz          frz ext x-wrk  frz ext x-wrk
expired/wanted          frz          frz ext x-wrk  frz ext x-wrk
expired/started         frz          frz ext x-wrk  frz ext x-wrk
expired/requested       frz          frz ext x-wrk  frz ext x-wrk
rejected/none           frz          frz ext x-wrk  frz ext x-wrk
rejected/wanted         frz          frz ext x-wrk  frz ext x-wrk
rejected/started        frz          frz ext x-wrk  frz ext x-wrk
rejected/requested      frz          frz ext x-wrk  frz ext x-wrk
rejected_reply/none     acc frz      frz ext x-wrk  frz ext x-wrk
rejected_reply/wanted   acc frz      frz ext x-wrk  frz ext x-wrk
not_sent/none           acc frz      frz ext x-wrk  frz ext x-wrk
not_sent/wanted         acc frz      frz ext x-wrk  frz ext x-wrk
unknown/none            acc frz      frz ext x-wrk  frz ext x-wrk
unknown/wanted          acc frz      frz ext x-wrk  frz ext x-wrk
not_found/none          acc frz      frz ext x-wrk  frz ext x-wrk
not_found/wanted        acc frz      frz ext x-wrk  frz ext x-wrk
released/none           acc frz      frz ext x-wrk  frz ext x-wrk
released/wanted         acc frz      frz ext x-wrk  frz ext x-wrk
unknown_id/none         frz          frz ext x-wrk  frz ext x-wrk
unknown_id/wanted       frz          frz ext x-wrk  frz ext x-wrk
unknown_id/started      frz          frz ext x-wrk  frz ext x-wrk
unknown_id/requested    frz          frz ext x-wrk  frz ext x-wrk
not_found_id/none       frz acc      frz ext x-wrk  frz ext x-wrk
not_found_id/wanted     frz acc      frz ext x-wrk  frz ext x-wrk
not_found_id/started    frz acc      frz ext x-wrk  frz ext x-wrk
not_found_id/requested  frz acc      frz ext x-wrk  frz ext x-wrk
released_id/none        frz          frz ext x-wrk  frz ext x-wrk
released_id/wanted      frz          frz ext x-wrk  frz ext x-wrk
released_id/started     frz          frz ext x-wrk  frz ext x-wrk
released_id/requested   frz          frz ext x-wrk  frz ext x-wrk
"""

# early, late: complete listings lack the order, begun before and after a send can have arrived.
# An order that the broker once showed or took and shows no more is in doubt: that is no end.
# undone: listings in a row show it over, and without any of its fills. unread: they show it in rows
# that nobody can read.
REST: Final = """
                        early  late  halt  resume  round  gap    undone   unread
no_preview              -      -     halt  resume  -      stale  -        -
preview_valid           -      -     halt  resume  -      stale  -        -
preview_expired         -      -     halt  resume  -      stale  -        -
submitting/none         -      -     halt  resume  -      stale  -        -
submitting/wanted       -      -     halt  resume  -      stale  -        -
accepted/none           -      unk   halt  resume  -      stale  -        unk
accepted/wanted         -      unk   halt  resume  -      stale  -        unk
accepted/started        -      unk   halt  resume  -      stale  -        unk
accepted/requested      -      unk   halt  resume  -      stale  -        unk
working/none            -      unk   halt  resume  -      stale  -        unk
working/wanted          -      unk   halt  resume  -      stale  -        unk
working/started         -      unk   halt  resume  -      stale  -        unk
working/requested       -      unk   halt  resume  -      stale  -        unk
filled/none             -      -     halt  resume  -      stale  frz CXL  -
filled/wanted           -      -     halt  resume  -      stale  frz CXL  -
filled/started          -      -     halt  resume  -      stale  frz CXL  -
filled/requested        -      -     halt  resume  -      stale  frz CXL  -
cancelled/none          -      -     halt  resume  -      stale  frz CXL  -
cancelled/wanted        -      -     halt  resume  -      stale  frz CXL  -
cancelled/started       -      -     halt  resume  -      stale  frz CXL  -
cancelled/requested     -      -     halt  resume  -      stale  frz CXL  -
expired/none            -      -     halt  resume  -      stale  -        -
expired/wanted          -      -     halt  resume  -      stale  -        -
expired/started         -      -     halt  resume  -      stale  -        -
expired/requested       -      -     halt  resume  -      stale  -        -
rejected/none           -      -     halt  resume  -      stale  -        -
rejected/wanted         -      -     halt  resume  -      stale  -        -
rejected/started        -      -     halt  resume  -      stale  -        -
rejected/requested      -      -     halt  resume  -      stale  -        -
rejected_reply/none     -      -     halt  resume  -      stale  -        -
rejected_reply/wanted   -      -     halt  resume  -      stale  -        -
not_sent/none           -      -     halt  resume  -      stale  -        -
not_sent/wanted         -      -     halt  resume  -      stale  -        -
unknown/none            -      nfd   halt  resume  -      stale  -        -
unknown/wanted          -      nfd   halt  resume  -      stale  -        -
not_found/none          -      -     halt  resume  -      stale  -        -
not_found/wanted        -      -     halt  resume  -      stale  -        -
released/none           -      -     halt  resume  -      stale  -        -
released/wanted         -      -     halt  resume  -      stale  -        -
unknown_id/none         -      nfd   halt  resume  -      stale  -        -
unknown_id/wanted       -      nfd   halt  resume  -      stale  -        -
unknown_id/started      -      nfd   halt  resume  -      stale  -        -
unknown_id/requested    -      nfd   halt  resume  -      stale  -        -
not_found_id/none       -      -     halt  resume  -      stale  -        -
not_found_id/wanted     -      -     halt  resume  -      stale  -        -
not_found_id/started    -      -     halt  resume  -      stale  -        -
not_found_id/requested  -      -     halt  resume  -      stale  -        -
released_id/none        -      -     halt  resume  -      stale  -        -
released_id/wanted      -      -     halt  resume  -      stale  -        -
released_id/started     -      -     halt  resume  -      stale  -        -
released_id/requested   -      -     halt  resume  -      stale  -        -
"""

TABLES: Final = (COMMANDS, ANSWERS, SIGHTINGS, ENDINGS, DOUBTS, REST)


class Case(NamedTuple):
    """One cell: where the order stands, the item, and what the hand-written table expects."""

    row: str
    column: str
    cell: str


def cases() -> list[Case]:
    """Return every cell of every table."""
    return cells_of(TABLES)


def cells_of(tables: tuple[str, ...]) -> list[Case]:
    """Return every cell of some tables; a cell begins under its column's first letter."""
    found: list[Case] = []
    for table in tables:
        header, *lines = table.strip("\n").splitlines()
        starts = [i for i, c in enumerate(header) if c != " " and header[i - 1] == " "]
        for line in lines:
            for begin, end in zip(starts, [*starts[1:], len(line) + 1], strict=True):
                name = header[begin : begin + 20].split()[0]
                found.append(Case(line.split()[0], name, line[begin:end].strip()))
    return found
