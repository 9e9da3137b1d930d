"""The table of changes: what follows from each item about a change or a cancel of an order.

Written by hand from the design, not computed from the code; it is read like the one in
`tests/unit/desk_cases.py`. A row names `phase/modify`, or `phase/modify/cancel`. Order 1 buys 100
AAPL at 10.50 and is to be changed to 11.00; executions e1 (40) and e2 (60) fill it. In a row
`…/replaced` the change has been seen, and the order stands on 11.00.

    reads     the desk first reads the broker's rules for the contract
"""

from typing import Final

from core.orders import ModifyPhase
from tests.unit.desk_cases import Case, cells_of

# Fact -> where it puts the wish to change. A fact that is not here leaves it alone.
MODIFY_AFTER: Final = {
    "m-start": ModifyPhase.STARTED,
    "m-requ": ModifyPhase.REQUESTED,
    "m-refu": ModifyPhase.REFUSED,
    "m-nsnt": ModifyPhase.NOT_SENT,
    "m-unkn": ModifyPhase.UNKNOWN,
    "m-napp": ModifyPhase.NOT_APPLIED,
    "m-repl": ModifyPhase.REPLACED,
}
# Fact -> its stored name, for those that the other table has no word for.
STORED_NAMES: Final = {
    "m-start": "order.modify_started",
    "m-requ": "order.modify_requested",
    "m-refu": "order.modify_refused",
    "m-nsnt": "order.modify_not_sent",
    "m-unkn": "order.modify_unknown",
    "m-napp": "order.modify_not_applied",
    "m-repl": "order.replaced",
    "terms": "order.terms_observed",
    "asked": "account.cancels_asked",
}
REFUSAL_CODES: Final = {
    "no.mod": "order_in_doubt",
    "no.canc": "cancel_under_way",
    "no.done": "order_not_open",
    "no.doubt": "symbol_in_doubt",
    "no.rel": "order_not_in_doubt",
}

# wish: a change is asked for. price: the same once the rules are read. many: cancel all of AAPL.
# other: another preview that buys the same symbol. While nobody knows an order's terms,
# no change of it passes and no opening of the symbol. A cancel always passes. abandoned: at start;
# both acts may have been under way when the process died.
COMMANDS: Final = """
                            wish    price   cancel  many          other    release abandoned
accepted/none               reads   m-start c-start c-start asked other    no.rel  -
accepted/started            wait    wait    c-start c-start asked wait     no.rel  m-unkn
accepted/requested          wait    wait    c-start c-start asked other    no.rel  -
accepted/unknown            no.mod  no.mod  c-start c-start asked no.doubt no.rel  -
accepted/refused            reads   m-start c-start c-start asked other    no.rel  -
accepted/not_sent           reads   m-start c-start c-start asked other    no.rel  -
accepted/not_applied        reads   m-start c-start c-start asked other    no.rel  -
accepted/replaced           reads   m-start c-start c-start asked other    no.rel  -
working/none                reads   m-start c-start c-start asked other    no.rel  -
working/started             wait    wait    c-start c-start asked wait     no.rel  m-unkn
working/requested           wait    wait    c-start c-start asked other    no.rel  -
working/unknown             no.mod  no.mod  c-start c-start asked no.doubt no.rel  -
working/refused             reads   m-start c-start c-start asked other    no.rel  -
working/not_sent            reads   m-start c-start c-start asked other    no.rel  -
working/not_applied         reads   m-start c-start c-start asked other    no.rel  -
working/replaced            reads   m-start c-start c-start asked other    no.rel  -
unknown_id/none             no.mod  no.mod  c-start c-start asked no.doubt rel     -
unknown_id/started          wait    wait    c-start c-start asked wait     rel     m-unkn
unknown_id/requested        wait    wait    c-start c-start asked no.doubt rel     -
unknown_id/unknown          no.mod  no.mod  c-start c-start asked no.doubt rel     -
unknown_id/refused          no.mod  no.mod  c-start c-start asked no.doubt rel     -
unknown_id/not_sent         no.mod  no.mod  c-start c-start asked no.doubt rel     -
unknown_id/not_applied      no.mod  no.mod  c-start c-start asked no.doubt rel     -
unknown_id/replaced         no.mod  no.mod  c-start c-start asked no.doubt rel     -
not_found_id/none           no.mod  no.mod  c-start c-start asked no.doubt rel     -
not_found_id/started        wait    wait    c-start c-start asked wait     rel     m-unkn
not_found_id/requested      wait    wait    c-start c-start asked no.doubt rel     -
not_found_id/unknown        no.mod  no.mod  c-start c-start asked no.doubt rel     -
not_found_id/refused        no.mod  no.mod  c-start c-start asked no.doubt rel     -
not_found_id/not_sent       no.mod  no.mod  c-start c-start asked no.doubt rel     -
not_found_id/not_applied    no.mod  no.mod  c-start c-start asked no.doubt rel     -
not_found_id/replaced       no.mod  no.mod  c-start c-start asked no.doubt rel     -
released_id/none            no.done no.done c-start no.done       other    no.rel  -
released_id/started         no.done no.done c-start no.done       other    no.rel  m-unkn
released_id/requested       no.done no.done c-start no.done       other    no.rel  -
released_id/unknown         no.done no.done c-start no.done       other    no.rel  -
released_id/refused         no.done no.done c-start no.done       other    no.rel  -
released_id/not_sent        no.done no.done c-start no.done       other    no.rel  -
released_id/not_applied     no.done no.done c-start no.done       other    no.rel  -
released_id/replaced        no.done no.done c-start no.done       other    no.rel  -
filled/none                 no.done no.done no.done no.done       other    no.rel  -
filled/started              no.done no.done no.done no.done       other    no.rel  m-unkn
filled/refused              no.done no.done no.done no.done       other    no.rel  -
filled/not_sent             no.done no.done no.done no.done       other    no.rel  -
filled/not_applied          no.done no.done no.done no.done       other    no.rel  -
filled/replaced             no.done no.done no.done no.done       other    no.rel  -
cancelled/none              no.done no.done no.done no.done       other    no.rel  -
cancelled/started           no.done no.done no.done no.done       other    no.rel  m-unkn
cancelled/refused           no.done no.done no.done no.done       other    no.rel  -
cancelled/not_sent          no.done no.done no.done no.done       other    no.rel  -
cancelled/not_applied       no.done no.done no.done no.done       other    no.rel  -
cancelled/replaced          no.done no.done no.done no.done       other    no.rel  -
expired/none                no.done no.done no.done no.done       other    no.rel  -
expired/started             no.done no.done no.done no.done       other    no.rel  m-unkn
expired/refused             no.done no.done no.done no.done       other    no.rel  -
expired/not_sent            no.done no.done no.done no.done       other    no.rel  -
expired/not_applied         no.done no.done no.done no.done       other    no.rel  -
expired/replaced            no.done no.done no.done no.done       other    no.rel  -
rejected/none               no.done no.done no.done no.done       other    no.rel  -
rejected/started            no.done no.done no.done no.done       other    no.rel  m-unkn
rejected/refused            no.done no.done no.done no.done       other    no.rel  -
rejected/not_sent           no.done no.done no.done no.done       other    no.rel  -
rejected/not_applied        no.done no.done no.done no.done       other    no.rel  -
rejected/replaced           no.done no.done no.done no.done       other    no.rel  -
working/none/wanted         no.canc no.canc c-start c-start asked other    no.rel  -
working/none/started        no.canc no.canc wait    asked         other    no.rel  c-unkn
working/none/requested      no.canc no.canc c-start c-start asked other    no.rel  -
working/none/refused        reads   m-start c-start c-start asked other    no.rel  -
working/none/unknown        no.canc no.canc c-start c-start asked other    no.rel  -
working/started/wanted      wait    wait    c-start c-start asked wait     no.rel  m-unkn
working/started/started     wait    wait    wait    asked         wait     no.rel  c-unkn m-unkn
working/started/requested   wait    wait    c-start c-start asked wait     no.rel  m-unkn
working/started/refused     wait    wait    c-start c-start asked wait     no.rel  m-unkn
working/started/unknown     wait    wait    c-start c-start asked wait     no.rel  m-unkn
working/requested/wanted    wait    wait    c-start c-start asked other    no.rel  -
working/requested/started   wait    wait    wait    asked         other    no.rel  c-unkn
working/requested/requested wait    wait    c-start c-start asked other    no.rel  -
working/requested/refused   wait    wait    c-start c-start asked other    no.rel  -
working/requested/unknown   wait    wait    c-start c-start asked other    no.rel  -
working/unknown/wanted      no.mod  no.mod  c-start c-start asked no.doubt no.rel  -
working/unknown/started     no.mod  no.mod  wait    asked         no.doubt no.rel  c-unkn
working/unknown/requested   no.mod  no.mod  c-start c-start asked no.doubt no.rel  -
working/unknown/refused     no.mod  no.mod  c-start c-start asked no.doubt no.rel  -
working/unknown/unknown     no.mod  no.mod  c-start c-start asked no.doubt no.rel  -
working/replaced/wanted     no.canc no.canc c-start c-start asked other    no.rel  -
working/replaced/started    no.canc no.canc wait    asked         other    no.rel  c-unkn
working/replaced/requested  no.canc no.canc c-start c-start asked other    no.rel  -
working/replaced/refused    reads   m-start c-start c-start asked other    no.rel  -
working/replaced/unknown    no.canc no.canc c-start c-start asked other    no.rel  -
"""

# How the one call to change ended (m-), and how a call to cancel ended (c-). What a listing has
# shown, no late answer takes back; of an order that ended meanwhile the answer is recorded.
ANSWERS: Final = """
                            m-done m-no   m-unsent m-doubt c-done c-no   c-unsent c-doubt
accepted/none               -      -      -        -       -      -      -        -
accepted/started            m-requ m-refu m-nsnt   m-unkn  -      -      -        -
accepted/requested          -      -      -        -       -      -      -        -
accepted/unknown            m-requ m-refu m-nsnt   -       -      -      -        -
accepted/refused            -      -      -        -       -      -      -        -
accepted/not_sent           -      -      -        -       -      -      -        -
accepted/not_applied        -      -      -        -       -      -      -        -
accepted/replaced           -      -      -        -       -      -      -        -
working/none                -      -      -        -       -      -      -        -
working/started             m-requ m-refu m-nsnt   m-unkn  -      -      -        -
working/requested           -      -      -        -       -      -      -        -
working/unknown             m-requ m-refu m-nsnt   -       -      -      -        -
working/refused             -      -      -        -       -      -      -        -
working/not_sent            -      -      -        -       -      -      -        -
working/not_applied         -      -      -        -       -      -      -        -
working/replaced            -      -      -        -       -      -      -        -
unknown_id/none             -      -      -        -       -      -      -        -
unknown_id/started          m-requ m-refu m-nsnt   m-unkn  -      -      -        -
unknown_id/requested        -      -      -        -       -      -      -        -
unknown_id/unknown          m-requ m-refu m-nsnt   -       -      -      -        -
unknown_id/refused          -      -      -        -       -      -      -        -
unknown_id/not_sent         -      -      -        -       -      -      -        -
unknown_id/not_applied      -      -      -        -       -      -      -        -
unknown_id/replaced         -      -      -        -       -      -      -        -
not_found_id/none           -      -      -        -       -      -      -        -
not_found_id/started        m-requ m-refu m-nsnt   m-unkn  -      -      -        -
not_found_id/requested      -      -      -        -       -      -      -        -
not_found_id/unknown        m-requ m-refu m-nsnt   -       -      -      -        -
not_found_id/refused        -      -      -        -       -      -      -        -
not_found_id/not_sent       -      -      -        -       -      -      -        -
not_found_id/not_applied    -      -      -        -       -      -      -        -
not_found_id/replaced       -      -      -        -       -      -      -        -
released_id/none            -      -      -        -       -      -      -        -
released_id/started         m-requ m-refu m-nsnt   m-unkn  -      -      -        -
released_id/requested       -      -      -        -       -      -      -        -
released_id/unknown         m-requ m-refu m-nsnt   -       -      -      -        -
released_id/refused         -      -      -        -       -      -      -        -
released_id/not_sent        -      -      -        -       -      -      -        -
released_id/not_applied     -      -      -        -       -      -      -        -
released_id/replaced        -      -      -        -       -      -      -        -
filled/none                 -      -      -        -       -      -      -        -
filled/started              m-requ m-refu m-nsnt   m-unkn  -      -      -        -
filled/refused              -      -      -        -       -      -      -        -
filled/not_sent             -      -      -        -       -      -      -        -
filled/not_applied          -      -      -        -       -      -      -        -
filled/replaced             -      -      -        -       -      -      -        -
cancelled/none              -      -      -        -       -      -      -        -
cancelled/started           m-requ m-refu m-nsnt   m-unkn  -      -      -        -
cancelled/refused           -      -      -        -       -      -      -        -
cancelled/not_sent          -      -      -        -       -      -      -        -
cancelled/not_applied       -      -      -        -       -      -      -        -
cancelled/replaced          -      -      -        -       -      -      -        -
expired/none                -      -      -        -       -      -      -        -
expired/started             m-requ m-refu m-nsnt   m-unkn  -      -      -        -
expired/refused             -      -      -        -       -      -      -        -
expired/not_sent            -      -      -        -       -      -      -        -
expired/not_applied         -      -      -        -       -      -      -        -
expired/replaced            -      -      -        -       -      -      -        -
rejected/none               -      -      -        -       -      -      -        -
rejected/started            m-requ m-refu m-nsnt   m-unkn  -      -      -        -
rejected/refused            -      -      -        -       -      -      -        -
rejected/not_sent           -      -      -        -       -      -      -        -
rejected/not_applied        -      -      -        -       -      -      -        -
rejected/replaced           -      -      -        -       -      -      -        -
working/none/wanted         -      -      -        -       -      -      -        -
working/none/started        -      -      -        -       c-requ c-refu c-refu   c-unkn
working/none/requested      -      -      -        -       -      -      -        -
working/none/refused        -      -      -        -       -      -      -        -
working/none/unknown        -      -      -        -       -      -      -        -
working/started/wanted      m-requ m-refu m-nsnt   m-unkn  -      -      -        -
working/started/started     m-requ m-refu m-nsnt   m-unkn  c-requ c-refu c-refu   c-unkn
working/started/requested   m-requ m-refu m-nsnt   m-unkn  -      -      -        -
working/started/refused     m-requ m-refu m-nsnt   m-unkn  -      -      -        -
working/started/unknown     m-requ m-refu m-nsnt   m-unkn  -      -      -        -
working/requested/wanted    -      -      -        -       -      -      -        -
working/requested/started   -      -      -        -       c-requ c-refu c-refu   c-unkn
working/requested/requested -      -      -        -       -      -      -        -
working/requested/refused   -      -      -        -       -      -      -        -
working/requested/unknown   -      -      -        -       -      -      -        -
working/unknown/wanted      m-requ m-refu m-nsnt   -       -      -      -        -
working/unknown/started     m-requ m-refu m-nsnt   -       c-requ c-refu c-refu   c-unkn
working/unknown/requested   m-requ m-refu m-nsnt   -       -      -      -        -
working/unknown/refused     m-requ m-refu m-nsnt   -       -      -      -        -
working/unknown/unknown     m-requ m-refu m-nsnt   -       -      -      -        -
working/replaced/wanted     -      -      -        -       -      -      -        -
working/replaced/started    -      -      -        -       c-requ c-refu c-refu   c-unkn
working/replaced/requested  -      -      -        -       -      -      -        -
working/replaced/refused    -      -      -        -       -      -      -        -
working/replaced/unknown    -      -      -        -       -      -      -        -
"""

# Rows of a listing. old, new, odd: live on the old terms, on those asked for, on others still.
# part: on the old terms, e1 filled. A change that nobody waits for is observed like one made
# elsewhere. The terms of an order that is done are told too: it may be live again.
SIGHTINGS: Final = """
                            old           new            odd           part
accepted/none               wrk           terms wrk      terms wrk     fill wrk
accepted/started            wrk           m-repl wrk     terms wrk     fill wrk
accepted/requested          wrk           m-repl wrk     terms wrk     fill wrk
accepted/unknown            wrk           m-repl wrk     terms wrk     fill wrk
accepted/refused            wrk           terms wrk      terms wrk     fill wrk
accepted/not_sent           wrk           terms wrk      terms wrk     fill wrk
accepted/not_applied        wrk           terms wrk      terms wrk     fill wrk
accepted/replaced           terms wrk     wrk            terms wrk     terms fill wrk
working/none                -             terms          terms         fill wrk
working/started             -             m-repl         terms         fill wrk
working/requested           -             m-repl         terms         fill wrk
working/unknown             -             m-repl         terms         fill wrk
working/refused             -             terms          terms         fill wrk
working/not_sent            -             terms          terms         fill wrk
working/not_applied         -             terms          terms         fill wrk
working/replaced            terms         -              terms         terms fill wrk
unknown_id/none             acc wrk       acc terms wrk  acc terms wrk acc fill wrk
unknown_id/started          acc wrk       acc m-repl wrk acc terms wrk acc fill wrk
unknown_id/requested        acc wrk       acc m-repl wrk acc terms wrk acc fill wrk
unknown_id/unknown          acc wrk       acc m-repl wrk acc terms wrk acc fill wrk
unknown_id/refused          acc wrk       acc terms wrk  acc terms wrk acc fill wrk
unknown_id/not_sent         acc wrk       acc terms wrk  acc terms wrk acc fill wrk
unknown_id/not_applied      acc wrk       acc terms wrk  acc terms wrk acc fill wrk
unknown_id/replaced         acc terms wrk acc wrk        acc terms wrk acc terms fill wrk
not_found_id/none           acc wrk       acc terms wrk  acc terms wrk acc fill wrk
not_found_id/started        acc wrk       acc m-repl wrk acc terms wrk acc fill wrk
not_found_id/requested      acc wrk       acc m-repl wrk acc terms wrk acc fill wrk
not_found_id/unknown        acc wrk       acc m-repl wrk acc terms wrk acc fill wrk
not_found_id/refused        acc wrk       acc terms wrk  acc terms wrk acc fill wrk
not_found_id/not_sent       acc wrk       acc terms wrk  acc terms wrk acc fill wrk
not_found_id/not_applied    acc wrk       acc terms wrk  acc terms wrk acc fill wrk
not_found_id/replaced       acc terms wrk acc wrk        acc terms wrk acc terms fill wrk
released_id/none            acc wrk       acc terms wrk  acc terms wrk acc fill wrk
released_id/started         acc wrk       acc m-repl wrk acc terms wrk acc fill wrk
released_id/requested       acc wrk       acc m-repl wrk acc terms wrk acc fill wrk
released_id/unknown         acc wrk       acc m-repl wrk acc terms wrk acc fill wrk
released_id/refused         acc wrk       acc terms wrk  acc terms wrk acc fill wrk
released_id/not_sent        acc wrk       acc terms wrk  acc terms wrk acc fill wrk
released_id/not_applied     acc wrk       acc terms wrk  acc terms wrk acc fill wrk
released_id/replaced        acc terms wrk acc wrk        acc terms wrk acc terms fill wrk
filled/none                 -             terms          terms         -
filled/started              -             m-repl         terms          -
filled/refused              -             terms          terms         -
filled/not_sent             -             terms          terms         -
filled/not_applied          -             terms          terms         -
filled/replaced             terms         -              terms         terms
cancelled/none              -             terms          terms         wrk
cancelled/started           -             m-repl         terms          wrk
cancelled/refused           -             terms          terms         wrk
cancelled/not_sent          -             terms          terms         wrk
cancelled/not_applied       -             terms          terms         wrk
cancelled/replaced          terms         -              terms         terms wrk
expired/none                wrk           terms wrk      terms wrk     fill wrk
expired/started             wrk           m-repl wrk     terms wrk      fill wrk
expired/refused             wrk           terms wrk      terms wrk     fill wrk
expired/not_sent            wrk           terms wrk      terms wrk     fill wrk
expired/not_applied         wrk           terms wrk      terms wrk     fill wrk
expired/replaced            terms wrk     wrk            terms wrk     terms fill wrk
rejected/none               wrk           terms wrk      terms wrk     fill wrk
rejected/started            wrk           m-repl wrk     terms wrk      fill wrk
rejected/refused            wrk           terms wrk      terms wrk     fill wrk
rejected/not_sent           wrk           terms wrk      terms wrk     fill wrk
rejected/not_applied        wrk           terms wrk      terms wrk     fill wrk
rejected/replaced           terms wrk     wrk            terms wrk     terms fill wrk
working/none/wanted         -             terms          terms         fill wrk
working/none/started        -             terms          terms         fill wrk
working/none/requested      -             terms          terms         fill wrk
working/none/refused        -             terms          terms         fill wrk
working/none/unknown        -             terms          terms         fill wrk
working/started/wanted      -             m-repl         terms         fill wrk
working/started/started     -             m-repl         terms         fill wrk
working/started/requested   -             m-repl         terms         fill wrk
working/started/refused     -             m-repl         terms         fill wrk
working/started/unknown     -             m-repl         terms         fill wrk
working/requested/wanted    -             m-repl         terms         fill wrk
working/requested/started   -             m-repl         terms         fill wrk
working/requested/requested -             m-repl         terms         fill wrk
working/requested/refused   -             m-repl         terms         fill wrk
working/requested/unknown   -             m-repl         terms         fill wrk
working/unknown/wanted      -             m-repl         terms         fill wrk
working/unknown/started     -             m-repl         terms         fill wrk
working/unknown/requested   -             m-repl         terms         fill wrk
working/unknown/refused     -             m-repl         terms         fill wrk
working/unknown/unknown     -             m-repl         terms         fill wrk
working/replaced/wanted     terms         -              terms         terms fill wrk
working/replaced/started    terms         -              terms         terms fill wrk
working/replaced/requested  terms         -              terms         terms fill wrk
working/replaced/refused    terms         -              terms         terms fill wrk
working/replaced/unknown    terms         -              terms         terms fill wrk
"""

# filled: listed on the terms asked for, whole. cancelled: listed on the old ones, after e1, with
# which a change that was only waited for is over. lost:
# complete listings lack the order. early, late: complete listings show it on its old terms, begun
# before and after the request can have arrived.
EVIDENCE: Final = """
                            filled                   cancelled               lost early late
accepted/none               terms fill fill FLD      fill CXL                unk  -     -
accepted/started            m-repl fill fill FLD     fill CXL                unk  -     m-napp
accepted/requested          m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
accepted/unknown            m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
accepted/refused            terms fill fill FLD      fill CXL                unk  -     -
accepted/not_sent           terms fill fill FLD      fill CXL                unk  -     -
accepted/not_applied        terms fill fill FLD      fill CXL                unk  -     -
accepted/replaced           fill fill FLD            terms fill CXL          unk  -     -
working/none                terms fill fill FLD      fill CXL                unk  -     -
working/started             m-repl fill fill FLD     fill CXL                unk  -     m-napp
working/requested           m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
working/unknown             m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
working/refused             terms fill fill FLD      fill CXL                unk  -     -
working/not_sent            terms fill fill FLD      fill CXL                unk  -     -
working/not_applied         terms fill fill FLD      fill CXL                unk  -     -
working/replaced            fill fill FLD            terms fill CXL          unk  -     -
unknown_id/none             acc terms fill fill FLD  acc fill CXL            nfd  -     -
unknown_id/started          acc m-repl fill fill FLD acc fill CXL            nfd  -     m-napp
unknown_id/requested        acc m-repl fill fill FLD acc fill m-napp CXL     nfd  -     m-napp
unknown_id/unknown          acc m-repl fill fill FLD acc fill m-napp CXL     nfd  -     m-napp
unknown_id/refused          acc terms fill fill FLD  acc fill CXL            nfd  -     -
unknown_id/not_sent         acc terms fill fill FLD  acc fill CXL            nfd  -     -
unknown_id/not_applied      acc terms fill fill FLD  acc fill CXL            nfd  -     -
unknown_id/replaced         acc fill fill FLD        acc terms fill CXL      nfd  -     -
not_found_id/none           acc terms fill fill FLD  acc fill CXL            -    -     -
not_found_id/started        acc m-repl fill fill FLD acc fill CXL            -    -     m-napp
not_found_id/requested      acc m-repl fill fill FLD acc fill m-napp CXL     -    -     m-napp
not_found_id/unknown        acc m-repl fill fill FLD acc fill m-napp CXL     -    -     m-napp
not_found_id/refused        acc terms fill fill FLD  acc fill CXL            -    -     -
not_found_id/not_sent       acc terms fill fill FLD  acc fill CXL            -    -     -
not_found_id/not_applied    acc terms fill fill FLD  acc fill CXL            -    -     -
not_found_id/replaced       acc fill fill FLD        acc terms fill CXL      -    -     -
released_id/none            acc terms fill fill FLD  acc fill CXL            -    -     -
released_id/started         acc m-repl fill fill FLD acc fill CXL            -    -     m-napp
released_id/requested       acc m-repl fill fill FLD acc fill m-napp CXL     -    -     m-napp
released_id/unknown         acc m-repl fill fill FLD acc fill m-napp CXL     -    -     m-napp
released_id/refused         acc terms fill fill FLD  acc fill CXL            -    -     -
released_id/not_sent        acc terms fill fill FLD  acc fill CXL            -    -     -
released_id/not_applied     acc terms fill fill FLD  acc fill CXL            -    -     -
released_id/replaced        acc fill fill FLD        acc terms fill CXL      -    -     -
filled/none                 terms                    -                       -    -     -
filled/started              m-repl                   -                       -    -     m-napp
filled/refused              terms                    -                       -    -     -
filled/not_sent             terms                    -                       -    -     -
filled/not_applied          terms                    -                       -    -     -
filled/replaced             -                        terms                   -    -     -
cancelled/none              terms fill FLD           -                       -    -     -
cancelled/started           m-repl fill FLD          -                       -    -     m-napp
cancelled/refused           terms fill FLD           -                       -    -     -
cancelled/not_sent          terms fill FLD           -                       -    -     -
cancelled/not_applied       terms fill FLD           -                       -    -     -
cancelled/replaced          fill FLD                 terms                   -    -     -
expired/none                terms fill fill FLD      fill CXL                -    -     -
expired/started             m-repl fill fill FLD     fill CXL                -    -     m-napp
expired/refused             terms fill fill FLD      fill CXL                -    -     -
expired/not_sent            terms fill fill FLD      fill CXL                -    -     -
expired/not_applied         terms fill fill FLD      fill CXL                -    -     -
expired/replaced            fill fill FLD            terms fill CXL          -    -     -
rejected/none               terms fill fill FLD      fill CXL                -    -     -
rejected/started            m-repl fill fill FLD     fill CXL                -    -     m-napp
rejected/refused            terms fill fill FLD      fill CXL                -    -     -
rejected/not_sent           terms fill fill FLD      fill CXL                -    -     -
rejected/not_applied        terms fill fill FLD      fill CXL                -    -     -
rejected/replaced           fill fill FLD            terms fill CXL          -    -     -
working/none/wanted         terms fill fill FLD      fill CXL                unk  -     -
working/none/started        terms fill fill FLD      fill CXL                unk  -     -
working/none/requested      terms fill fill FLD      fill CXL                unk  -     -
working/none/refused        terms fill fill FLD      fill CXL                unk  -     -
working/none/unknown        terms fill fill FLD      fill CXL                unk  -     -
working/started/wanted      m-repl fill fill FLD     fill CXL                unk  -     m-napp
working/started/started     m-repl fill fill FLD     fill CXL                unk  -     m-napp
working/started/requested   m-repl fill fill FLD     fill CXL                unk  -     m-napp
working/started/refused     m-repl fill fill FLD     fill CXL                unk  -     m-napp
working/started/unknown     m-repl fill fill FLD     fill CXL                unk  -     m-napp
working/requested/wanted    m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
working/requested/started   m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
working/requested/requested m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
working/requested/refused   m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
working/requested/unknown   m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
working/unknown/wanted      m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
working/unknown/started     m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
working/unknown/requested   m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
working/unknown/refused     m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
working/unknown/unknown     m-repl fill fill FLD     fill m-napp CXL         unk  -     m-napp
working/replaced/wanted     fill fill FLD            terms fill CXL          unk  -     -
working/replaced/started    fill fill FLD            terms fill CXL          unk  -     -
working/replaced/requested  fill fill FLD            terms fill CXL          unk  -     -
working/replaced/refused    fill fill FLD            terms fill CXL          unk  -     -
working/replaced/unknown    fill fill FLD            terms fill CXL          unk  -     -
"""

TABLES: Final = (COMMANDS, ANSWERS, SIGHTINGS, EVIDENCE)


def cases() -> list[Case]:
    """Return every cell of every table."""
    return cells_of(TABLES)
