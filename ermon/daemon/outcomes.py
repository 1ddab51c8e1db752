"""What becomes of an outcome: a listener each for the metrics, the log, the receivers, the last 24 hours and the
page. ``build.build`` adds them, in their order.
"""

from __future__ import annotations

import time

import structlog

from ermon.core.monitor import Monitor, Outcome
from ermon.core.timeline import Timeline
from ermon.daemon.driver import Listener
from ermon.daemon.logs import log_transition
from ermon.metrics.process import Telemetry
from ermon.model.findings import TransitionState
from ermon.notify.senders import Senders
from ermon.storage.store import Store
from ermon.web.events import EventHub


def counting(telemetry: Telemetry) -> Listener:
    """Count what was raised, and how long after its message it was found."""

    def count(outcome: Outcome) -> None:
        clock = time.time()
        for message_time in outcome.detections:
            telemetry.detected(clock - message_time)
        for transition in outcome.transitions:
            if transition.state is TransitionState.RAISED:
                telemetry.raised(transition.finding.check)

    return count


def logging() -> Listener:
    log = structlog.get_logger()

    def write(outcome: Outcome) -> None:
        for transition in outcome.transitions:
            log_transition(log, transition)

    return write


def handing_out(senders: Senders, store: Store | None) -> Listener:
    """Tell the receivers. What a webhook is told must not be forgotten by a restart, so it is written down
    first; the Alertmanagers are told again and again all that is raised.
    """

    def hand_out(outcome: Outcome) -> None:
        if not outcome.transitions:
            return
        senders.push()
        deliveries = senders.deliveries(outcome.transitions)
        if store is None:
            senders.send(deliveries)
            return
        saved = store.save(outcome.transitions, deliveries)
        saved.add_done_callback(lambda _: senders.send(deliveries))

    return hand_out


def remembering(timeline: Timeline, monitor: Monitor) -> Listener:
    return lambda outcome: timeline.follow(monitor, outcome.changes)


def showing(hub: EventHub, monitor: Monitor) -> Listener:
    """Send it to every page that is open."""
    return lambda outcome: hub.publish_outcome(monitor, outcome)
