"""Derives answers from the design of an edge: owners of AS numbers, VRFs, and routers that send only best paths."""

from __future__ import annotations

from ermon.init.answers import Answers, CircuitAnswers, Design
from ermon.model.inventory import Peering

_VRFS = {Peering.MICROSOFT: "MICROSOFT", Peering.PRIVATE: "PRIVATE"}


def settle(answers: Answers) -> None:
    """Derive missing answers from Azure's AS numbers and from the design; ``answers.notes`` gets the open points."""
    if answers.provider_asns:
        answers.designs.add(Design.PROVIDER)
    if Design.PROVIDER in answers.designs:
        _settle_provider(answers)
    else:
        _settle_asn(answers)
    if Design.VRFS in answers.designs:
        for circuit in answers.circuits.values():
            propose_vrf(circuit)


def propose_vrf(circuit: CircuitAnswers) -> None:
    if circuit.vrf is None:
        circuit.vrf, circuit.vrf_proposed = _VRFS[circuit.peering or Peering.MICROSOFT], True


def _settle_provider(answers: Answers) -> None:
    """Azure peers with the provider: the peer ASN is the provider's, and ours is that of the prefixes, if Azure has it."""
    own = set(answers.customer_asns.values())
    if answers.asn is None and len(own) == 1:
        (answers.asn,) = own
    if not answers.provider_asns:
        peers = dict.fromkeys(answers.peer_asns.values())
        answers.provider_asns = [asn for asn in peers if asn != answers.asn]


def _settle_asn(answers: Answers) -> None:
    """Use the peer ASN if the circuits agree on it: Microsoft peering before private peering."""
    asns = answers.peer_asns
    public = {asns[each.name] for each in answers.microsoft if each.name in asns}
    candidates = public or set(asns.values())
    if answers.asn is None and len(candidates) == 1:
        (answers.asn,) = candidates
    elif answers.asn is None and candidates:
        listed = ", ".join(f"{asn} ({name})" for name, asn in asns.items())
        answers.notes.append(
            f"The circuits have different peer ASNs in Azure: {listed}; choose yours with --asn."
        )
    for name, asn in asns.items():
        if answers.asn is not None and asn != answers.asn:
            answers.notes.append(
                f"Circuit {name} has the peer ASN {asn} in Azure, not {answers.asn}: where a router puts it into AS "
                "paths (local-as), add it to customer.provider_asns."
            )


def routers_proposed(answers: Answers, circuit: CircuitAnswers) -> tuple[str, str]:
    """Assign two routers to each circuit, or one; peerings of one Azure circuit share theirs."""
    groups = list(dict.fromkeys(each.ports or each.name for each in answers.circuits.values()))
    at = groups.index(circuit.ports or circuit.name)
    name = "firewall" if Design.FIREWALL in answers.designs else "edge"
    if _one_router(answers):
        return f"{name}-{at + 1}", f"{name}-{at + 1}"
    return f"{name}-{2 * at + 1}", f"{name}-{2 * at + 2}"


def _one_router(answers: Answers) -> bool:
    """A firewall cluster is one router to BGP: its units share their sessions."""
    if Design.TWO_ROUTERS in answers.designs:
        return False
    return bool(answers.designs & {Design.ONE_ROUTER, Design.FIREWALL})


def sends_best_paths(answers: Answers, router: str) -> bool:
    return Design.FIREWALL in answers.designs or router in answers.best_paths
