"""What may still trade: pending at approval, posted by the ledger, void at the end.

The danger here is to count too little. So lots are reserved in full the moment an intent is
approved, before anyone else knows of it. From then on only evidence lowers them: the ledger's word
on how much is filled, its word that the order ended, or the router's word that it never took the
approval. A number here only falls; a late or repeated message never raises it again. An order that
the ledger shows and we never approved (the watchdog's, or one of a lost journal) is reserved too.

The ledger publishes a position before the order that moved it. Between the two, a fill counts in
the position and still in the reservation: for that moment the worst case is too large, never too
small. Silence frees nothing: an UNKNOWN order stays reserved.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proto_schemas.enums import Side
from proto_schemas.ledger import OrderUpdate
from proto_schemas.signals import Intent
from shared.kernel.check import check
from shared.kernel.order_states import is_live

ENDED_KEPT_MAX = 100_000


@dataclass(slots=True)
class Reservation:
    """The lots of one order that may still trade. `posted`: the ledger has named the order."""

    instrument: str
    side: Side
    quantity_lots: int
    leaves_lots: int
    posted: bool = False


@dataclass(slots=True)
class Reservations:
    """By client order id, with running totals per instrument and side.

    `ended` is a second line behind the stream's own numbering, which already drops repeats; so it
    may forget the oldest.
    """

    held: dict[str, Reservation] = field(default_factory=dict)
    totals: dict[tuple[str, Side], int] = field(default_factory=dict)
    ended: dict[str, None] = field(default_factory=dict)
    named: dict[str, None] | None = None

    def reserve(self, intent: Intent) -> None:
        """Pending: an approval is about to leave."""
        check(intent.client_order_id not in self.held, "an order is reserved once", intent)
        lots = intent.quantity_lots
        self._hold(intent.client_order_id, Reservation(intent.instrument, intent.side, lots, lots))

    def post(self, update: OrderUpdate) -> None:
        """The ledger's word on one order: less may trade, or nothing any more."""
        if update.parent_id is not None:
            return  # a leg: see `RiskState`
        key = update.client_order_id
        if self.named is not None:
            self.named[key] = None
        if not is_live(update.state):
            self.void(key)
            return
        if key in self.ended:
            return
        held = self.held.get(key)
        if held is None:
            lots = update.quantity_lots
            held = Reservation(update.instrument, update.side, lots, lots)
            self._hold(key, held)
        held.posted = True
        whole_lots = min(held.quantity_lots, update.quantity_lots)  # a replace can lower it
        left_lots = max(0, whole_lots - update.filled_lots)
        self._lower(held, min(held.leaves_lots, left_lots))

    def void(self, client_order_id: str) -> None:
        """The order has ended, or never began: nothing of it may trade any more."""
        self.ended[client_order_id] = None
        if len(self.ended) > ENDED_KEPT_MAX:
            del self.ended[next(iter(self.ended))]
        held = self.held.pop(client_order_id, None)
        if held is not None:
            self._lower(held, 0)

    def refuse(self, client_order_id: str) -> bool:
        """The router refused the approval: free it, unless the ledger already named the order.

        It does not count as ended: should the ledger show the order alive, it is held again.
        """
        held = self.held.get(client_order_id)
        if held is None or held.posted:
            return False
        del self.held[client_order_id]
        self._lower(held, 0)
        return True

    def lots(self, instrument: str, side: Side) -> int:
        """All lots that may still trade on this side."""
        return self.totals.get((instrument, side), 0)

    def begin_rebuild(self) -> None:
        """The ledger starts to name everything that it has; see `end_rebuild`."""
        self.named = {}

    def end_rebuild(self) -> None:
        """Posted and not named again: ended so long ago that the ledger no longer shows it.

        What is pending stays: those approvals are on their way and the ledger cannot know them yet.
        """
        if self.named is None:
            return
        gone = [key for key, held in self.held.items() if held.posted and key not in self.named]
        for key in gone:
            self.void(key)
        self.named = None

    def _hold(self, client_order_id: str, reservation: Reservation) -> None:
        self.held[client_order_id] = reservation
        key = (reservation.instrument, reservation.side)
        self.totals[key] = self.totals.get(key, 0) + reservation.leaves_lots

    def _lower(self, held: Reservation, leaves_lots: int) -> None:
        key = (held.instrument, held.side)
        self.totals[key] -= held.leaves_lots - leaves_lots
        held.leaves_lots = leaves_lots
        check(self.totals[key] >= 0, "reserved lots are never negative", key)
