"""Loading ermon.yml into a Config: valid files, invalid files, defaults, warnings, positions."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ermon.config.load import ConfigError, load_config, schema_json
from ermon.config.schema import KNOWN_CHECKS
from ermon.model.inventory import ExpectedPrefix, InternetUse, Peering, Service, Source, View
from ermon.model.prefixes import parse_address, parse_prefix
from ermon.model.routes import Community
from ermon.model.settings import Access, BasicAuth, CheckSettings, ClientTls, Severity
from tests.defaults import make_policy, make_webhook

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "config" / "ermon.reference.yml"
BAD = sorted((Path(__file__).parent / "bad").glob("*.yml"))

MINIMAL = """\
customer: {asn: 64500}
circuits:
  chicago:
    geo: us
    location: Chicago
    peering: microsoft
    links:
      primary: {router: edge-1, subnet: 203.0.113.0/30}
      secondary: {router: edge-2, subnet6: "2001:db8:ffff::4/126"}
feeds:
  edge-1: {router: edge-1, view: edge-table, peer: 192.0.2.1, local: 192.0.2.10, peer_asn: 64500}
"""


@pytest.fixture
def load(tmp_path):
    def load_text(text, **options):
        file = tmp_path / "ermon.yml"
        file.write_text(text, encoding="utf-8")
        return load_config(file, **options)

    return load_text


def messages(load, text):
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.stem)
def test_every_mistake_of_an_invalid_configuration_is_reported(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    expected = [line.removeprefix("# ") for line in lines if line.startswith("# FILE:")]
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(caught.value).replace(str(file), "FILE").splitlines() == expected


def test_most_mistakes_have_an_example_of_an_invalid_configuration():
    assert len(BAD) > 75


@pytest.mark.parametrize("name", ["ermon.yml", "ermon.reference.yml"])
def test_the_configurations_to_copy_from_load_without_a_warning(name):
    assert load_config(ROOT / "config" / name).warnings == ()


class TestReference:
    """The values of the complete configuration, one by one."""

    config = load_config(REFERENCE).config

    def test_collector(self):
        collector = self.config.collector
        assert (collector.asn, collector.port, collector.max_routes) == (64500, 1790, 2_000_000)
        assert (collector.hold_time, collector.settle, collector.settle_limit) == (30.0, 2.0, 10.0)
        assert collector.sync_timeout == 120.0

    def test_circuits(self):
        chicago, dallas, private = self.config.circuits.values()
        assert chicago.families == ("ipv4", "ipv6")
        assert chicago.links["primary"].subnet6 == parse_prefix("2001:db8:ffff::/126")
        assert dallas.links["secondary"].match_communities == {Community((64500, 302))}
        assert (private.peering, private.premium) == (Peering.PRIVATE, True)
        assert private.locations == {"Dallas", "Dallas2"}

    def test_required_routes_from_microsoft(self):
        receive = self.config.circuits["chicago"].receive
        assert receive.services == (
            Service("exchange-online", (12076, 5010), minimum=1, drop_percent=50.0),
            Service("sharepoint-online", (12076, 5020)),
        )
        assert receive.minimum == {"ipv4": 4, "ipv6": 1}
        assert receive.drop_percent == 30.0
        dated = ExpectedPrefix(parse_prefix("192.0.2.64/26"), date(2026, 1, 1), date(2036, 1, 1))
        assert receive.prefixes == (ExpectedPrefix(parse_prefix("192.0.2.0/26")), dated)

    def test_allowed_advertisements(self):
        circuits = self.config.circuits
        assert circuits["chicago"].advertise.prefixes == ()
        assert circuits["dallas"].advertise.prefixes == ()
        assert circuits["dallas-private"].advertise.prefixes is None
        assert circuits["dallas-private"].advertise.allow_default
        assert circuits["chicago"].advertise.drop_percent == 30.0

    def test_private_peering(self):
        circuits = self.config.circuits
        assert circuits["dallas-private"].receive.gateways == 1
        assert circuits["dallas"].receive.gateways is None

    def test_pools(self):
        pools = self.config.pools
        assert pools["chi-outbound"].links is None
        assert pools["dal-outbound"].links == ("primary",)
        assert pools["adfs-inbound"].circuits == ("chicago", "dallas")
        assert pools["adfs-inbound"].internet is InternetUse.AGGREGATE
        assert pools["adfs-inbound"].families == ("ipv4", "ipv6")

    def test_feeds(self):
        feeds = self.config.feeds
        assert len(feeds) == 14
        assert feeds["edge-1"].local_asn == 64500
        assert feeds["edge-1-msee"].link_key == ("chicago", "primary")
        assert feeds["edge-1-isp-a"].canary == (parse_prefix("198.51.100.128/27"),)
        assert (feeds["outside"].view, feeds["outside"].families) == (View.INTERNET, ("ipv4",))
        assert (feeds["campus-core"].md5_password_file, feeds["campus-core"].ttl_security) == (
            "campus-core.key",
            1,
        )
        assert self.config.processes == ("edges", "outside")

    def test_checks_and_maintenance(self):
        assert self.config.checks == {
            "link-down": CheckSettings(raise_after=10.0),
            "churn-high": CheckSettings(enabled=False, parameters={"per_minute": 600}),
        }
        (window,) = self.config.maintenance
        assert (window.circuit, window.link, window.feed) == ("dallas", "secondary", None)
        assert window.starts == datetime(2026, 12, 1, 2, tzinfo=UTC)


def test_missing_keys_have_their_defaults(load):
    config = load(MINIMAL).config
    assert config.collector.asn == 64500
    assert config.collector.port == 179
    assert config.collector.router_id == "127.0.0.1"
    assert config.policy == make_policy()
    assert config.alertmanager.resend == 60.0
    assert config.feeds["edge-1"].families == ("ipv4",)
    assert config.feeds["edge-1"].local_asn == 64500
    assert config.circuits["chicago"].advertise.prefixes == ()
    assert config.circuits["chicago"].links["primary"].location == "Chicago"
    assert config.circuits["chicago"].families == ("ipv4", "ipv6")
    assert (config.routers, config.pools, config.checks, config.maintenance) == ({}, {}, {}, ())


def test_on_private_peering_anything_may_be_advertised_by_default(load):
    private = MINIMAL.replace("peering: microsoft", "peering: private")
    assert load(private).config.circuits["chicago"].advertise.prefixes is None
    limited = private.replace("peering: private", "peering: private\n    advertise: {prefixes: []}")
    assert load(limited).config.circuits["chicago"].advertise.prefixes == ()
    default_only = private.replace(
        "peering: private", "peering: private\n    advertise: {allow_default: true}"
    )
    assert load(default_only).config.circuits["chicago"].advertise.prefixes is None


def test_the_collectors_asn_comes_before_the_customers(load):
    config = load(MINIMAL.replace("peer_asn: 64500", "peer_asn: 64501") + "collector: {asn: 64501}\n").config
    assert config.feeds["edge-1"].local_asn == 64501


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("90d", 7776000.0),
        ("0s", 0.0),
        ("0", 0.0),
    ],
)
def test_durations_have_a_unit_and_nothing_needs_none(load, text, seconds):
    config = load(MINIMAL + f"checks: {{pool-leak: {{raise_after: {text}}}}}\n").config
    assert config.checks["pool-leak"].raise_after == seconds


def test_addresses_are_kept_in_canonical_text(load):
    text = MINIMAL.replace("192.0.2.10", "'2001:DB8:0:0::0010'").replace("192.0.2.1,", "'2001:db8::0:1',")
    feed = load(text).config.feeds["edge-1"]
    assert (feed.peer, feed.local) == ("2001:db8::1", "2001:db8::10")


def test_prefixes_are_compared_as_values_not_as_text(load):
    pools = "nat_pools: {out: {circuit: chicago, prefixes: ['FD00::/48', 'fd00:0::/48']}}\n"
    assert messages(load, MINIMAL + pools) == [
        "nat_pools.out.prefixes: duplicate of an earlier item (item 2); remove it"
    ]


def test_a_link_may_be_known_by_next_hops_or_communities_beside_its_subnet(load):
    text = MINIMAL.replace(
        "subnet: 203.0.113.0/30",
        'subnet: 203.0.113.0/30, match: {next_hop: "2001:db8:ffff::2", community: [64500:30, "64500:1:302"]}',
    )
    link = load(text).config.circuits["chicago"].links["primary"]
    assert link.match_next_hops == {parse_address("2001:db8:ffff::2")}
    assert link.match_communities == {Community((64500, 30)), Community((64500, 1, 302))}
    assert link.families == ("ipv4",)


def test_a_link_is_in_the_vrf_of_its_circuit_unless_it_names_one(load):
    text = MINIMAL.replace("    geo: us", "    vrf: MICROSOFT\n    geo: us")
    text = text.replace("subnet: 203.0.113.0/30", "subnet: 203.0.113.0/30, vrf: OTHER")
    links = load(text).config.circuits["chicago"].links
    assert (links["primary"].vrf, links["secondary"].vrf) == ("OTHER", "MICROSOFT")


def test_an_exception_ends_with_the_beginning_of_a_day_or_at_a_time(load):
    text = (
        "exceptions:\n"
        "  - {check: link-asymmetry, circuit: chicago, reason: by design, until: 2027-06-30}\n"
        "  - {check: link-down, reason: works, until: 2027-06-30T02:00:00+02:00}\n"
        "  - {check: drain, link: primary, reason: prepended for good}\n"
    )
    first, second, third = load(MINIMAL + text).config.exceptions
    assert (first.labels, first.until) == ({"circuit": "chicago"}, datetime(2027, 6, 30, tzinfo=UTC))
    assert (second.labels, second.until) == ({}, datetime(2027, 6, 30, tzinfo=UTC))
    assert (third.labels, third.until) == ({"link": "primary"}, None)


def test_sources_webhooks_and_alertmanagers(load):
    text = MINIMAL.replace(
        "    links:",
        "    receive: {sources: [{kind: m365, from: https://endpoints.office.com/, select: [Exchange]}, "
        "{kind: service-tags, from: lists/tags.json, refresh: 1d, select: [Storage]}]}\n    links:",
    )
    text += "alertmanager: {urls: ['http://[::1]:9093', http://127.0.0.1:9093], resend: 30s}\n"
    text += "webhooks: [{url: https://hooks.example.net/ermon, events: [raised], secret_file: hook.key}]\n"
    config = load(text).config
    assert config.circuits["chicago"].receive.sources == (
        Source("m365", "https://endpoints.office.com/", 43200.0, ("Exchange",)),
        Source("service-tags", "lists/tags.json", 86400.0, ("Storage",)),
    )
    assert config.alertmanager.urls == ("http://[::1]:9093", "http://127.0.0.1:9093")
    assert config.webhooks == (
        make_webhook("https://hooks.example.net/ermon", ("raised",), secret_file="hook.key"),
    )


def test_receivers_and_ermon_authenticate_each_other(load):
    text = (
        MINIMAL
        + """\
alertmanager:
  urls: ['https://alerts.example.net/am', 'http://127.0.0.1:9093']
  basic_auth: {username: ermon, password_file: alerts.password}
  tls: {ca_file: ca.pem, server_name: alerts}
webhooks:
  - {url: https://hooks.example.net/a, bearer_token_file: a.token, tls: {cert_file: a.crt, key_file: a.key}}
"""
    )
    loaded = load(text)
    assert loaded.warnings == ()
    assert loaded.config.alertmanager.access == Access(
        BasicAuth("ermon", "alerts.password"), None, ClientTls("ca.pem", None, None, "alerts")
    )
    (webhook,) = loaded.config.webhooks
    assert webhook.access == Access(None, "a.token", ClientTls(None, "a.crt", "a.key"))


def test_tls_without_https_is_a_warning(load):
    text = "{urls: ['http://127.0.0.1:9093'], tls: {ca_file: ca.pem}}"
    hook = "[{url: 'http://127.0.0.1/', tls: {server_name: hooks}}, {url: 'https://127.0.0.1/'}]"
    warnings = load(f"{MINIMAL}alertmanager: {text}\nwebhooks: {hook}\n").warnings
    assert [warning.path for warning in warnings] == ["alertmanager.tls", "webhooks[0].tls"]


def test_maintenance_in_any_zone_is_stored_in_utc(load):
    text = "maintenance: [{feed: edge-1, from: 2026-12-01T02:00:00+01:00, to: '2026-12-01 02:00:00Z', reason: x}]\n"
    (window,) = load(MINIMAL + text).config.maintenance
    assert window.starts == datetime(2026, 12, 1, 1, tzinfo=UTC)
    assert window.starts.tzinfo is UTC


def test_feeds_may_be_written_with_a_merge_key(load):
    more = "  edge-2: {<<: *edge, router: edge-2, peer: 192.0.2.2}\n"
    config = load(MINIMAL.replace("edge-1: {router", "edge-1: &edge {router") + more).config
    assert (config.feeds["edge-2"].peer, config.feeds["edge-2"].local) == ("192.0.2.2", "192.0.2.10")


class TestChecks:
    def test_every_check_can_be_set_up(self, load):
        settings = "{enabled: true, severity: info, raise_after: 1s, clear_after: 2s}"
        text = "checks:\n" + "".join(f"  {name}: {settings}\n" for name in KNOWN_CHECKS)
        expected = CheckSettings(enabled=True, severity=Severity.INFO, raise_after=1.0, clear_after=2.0)
        assert load(MINIMAL + text).config.checks == dict.fromkeys(KNOWN_CHECKS, expected)

    @pytest.mark.parametrize("check", [name for name, own in KNOWN_CHECKS.items() if own])
    def test_every_parameter_of_a_check_has_its_default(self, load, check):
        own = KNOWN_CHECKS[check]
        written = ", ".join(
            f"{key}: {p.default:g}{'s' if p.unit == 'duration' else ''}" for key, p in own.items()
        )
        config = load(MINIMAL + f"checks: {{{check}: {{{written}}}}}\n").config
        assert config.checks[check].parameters == {key: p.default for key, p in own.items()}


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("routers: {egde-1: {}}\n", "routers.egde-1"),
        ("collector: {settle: 20s}\n", "collector.settle"),
        (
            (
                "  core: {view: segment, segment: s, peer: '2001:db8::5', local: '2001:db8::6', peer_asn: 1, "
                "add_path: true}\nsegments: {s: {expressroute: required}}\n"
            ),
            "feeds.core.add_path",
        ),
    ],
)
def test_a_setting_without_effect_is_a_warning(load, more, path):
    (warning,) = load(MINIMAL + more).warnings
    assert warning.path == path


def test_settings_of_microsoft_peering_are_a_warning_on_private_peering(load):
    text = MINIMAL.replace(
        "peering: microsoft", "peering: private\n    receive: {services: [exchange-online]}"
    )
    text += "nat_pools: {out: {circuit: chicago, prefixes: [198.51.100.0/28]}}\n"
    assert [warning.path for warning in load(text).warnings] == [
        "circuits.chicago.receive.services",
        "nat_pools.out",
    ]


@pytest.mark.parametrize(
    ("peering", "service", "path", "said"),
    [
        ("microsoft", "exchange-online", None, ""),
        (
            "microsoft",
            "sharepoint-online",
            "probes[0].service",
            "has no alert: no circuit requires sharepoint-online",
        ),
        ("private", "exchange-online", "probes[0]", "has no effect: probes are for Microsoft peering"),
    ],
)
def test_a_probe_that_is_compared_with_no_routes_is_a_warning(load, peering, service, path, said):
    text = MINIMAL.replace(
        "peering: microsoft", f"peering: {peering}\n    receive: {{services: [exchange-online]}}"
    )
    text += f"probes: [{{service: {service}, target: 'mail.example.net:443'}}]\n"
    found = {each.path: each.message for each in load(text).warnings if each.path.startswith("probes")}
    assert list(found) == ([] if path is None else [path])
    assert said in "".join(found.values())


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Mail.Example.net:443", "mail.example.net:443"),
        ("mail:0443", "mail:443"),
        ("192.0.2.1:65535", "192.0.2.1:65535"),
        ("[2001:DB8::1]:1", "[2001:db8::1]:1"),
    ],
)
def test_the_target_of_a_probe_is_a_host_and_a_port(load, written, read):
    [probe] = load(f"{MINIMAL}probes: [{{service: '12076:5020', target: '{written}'}}]\n").config.probes
    assert (probe.service.name, probe.target) == ("sharepoint-online", read)


def test_a_minimum_in_a_family_without_a_link_is_a_warning(load):
    text = MINIMAL.replace('subnet6: "2001:db8:ffff::4/126"', "subnet: 203.0.113.4/30")
    text = text.replace("    links:", "    receive: {minimum: {ipv4: 1, ipv6: 1}}\n    links:")
    (warning,) = load(text).warnings
    assert warning.path == "circuits.chicago.receive.minimum.ipv6"


def test_a_lint_has_the_position_of_its_subject(load):
    positions = load(MINIMAL).positions
    problem = positions.problem(("circuits", "chicago", "links", "secondary", "subnet6"), "is odd")
    assert (problem.line, problem.column) == (9, 35)
    assert str(problem).endswith("ermon.yml:9:35: circuits.chicago.links.secondary.subnet6: is odd")
    assert positions.at(("nat_pools",)) == (1, 1)


class TestOneErrorCausesNoOther:
    """An invalid part is reported as invalid, and not also as missing, unknown or in conflict."""

    def test_a_broken_customer_does_not_make_every_mirror_ibgp(self, load):
        assert len(messages(load, MINIMAL.replace("{asn: 64500}", "{asn: none}"))) == 1

    def test_a_misspelt_local_asn_does_not_make_a_mirror_ibgp(self, load):
        mirror = (
            "  m: {router: edge-1, view: to-microsoft, circuit: chicago, link: primary, peer: '2001:db8::1', "
            "local: '2001:db8::2', peer_asn: 64500, local_asm: 65010}\n"
        )
        (message,) = messages(load, MINIMAL + mirror)
        assert message.startswith("feeds.m.local_asm: is not a known key; did you mean local_asn?")

    def test_a_broken_collector_asn_does_not_make_an_edge_table_ebgp(self, load):
        text = MINIMAL.replace("peer_asn: 64500", "peer_asn: 64501") + "collector: {asn: AS64501}\n"
        assert len(messages(load, text)) == 1

    def test_a_broken_circuit_is_still_known_by_name(self, load):
        pool = "nat_pools: {out: {circuit: chicago, links: [primary], prefixes: [198.51.100.0/28]}}\n"
        (message,) = messages(load, MINIMAL.replace("peering: microsoft", "peering: none") + pool)
        assert message.startswith("circuits.chicago.peering")

    def test_without_circuits_no_feed_is_blamed_for_their_absence(self, load):
        text = MINIMAL[: MINIMAL.index("circuits:")] + MINIMAL[MINIMAL.index("feeds:") :]
        assert messages(load, text) == ["circuits: is missing; add it: ExpressRoute circuits by name"]


@given(st.binary(max_size=400))
def test_any_bytes_load_or_are_refused(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("any") / "ermon.yml"
    file.write_bytes(content)
    _load_or_refuse(file)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["::/0", "0.0.0.0/0", "2001:db8::1", "10s", "any", "edge-1", "chicago", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
_REFERENCE_VALUES = yaml.safe_load(REFERENCE.read_text(encoding="utf-8").replace("2026-", "x2026-"))


def _paths(value, path=()):
    yield path
    for key, inner in (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    ):
        yield from _paths(inner, (*path, key))


def _replaced(value, path, new):
    if not path:
        return new
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copied


@given(st.sampled_from(sorted(_paths(_REFERENCE_VALUES), key=str)), _VALUES)
def test_any_value_in_any_place_loads_or_is_refused(tmp_path_factory, path, new):
    file = tmp_path_factory.mktemp("any") / "ermon.yml"
    file.write_text(yaml.safe_dump(_replaced(_REFERENCE_VALUES, path, new)), encoding="utf-8")
    _load_or_refuse(file)


def _load_or_refuse(file):
    try:
        load_config(file)
    except ConfigError as error:
        problems = error.problems
        lines = str(error).splitlines()
    else:
        return
    assert problems
    assert len(lines) == len(problems)
    assert all(line.startswith(f"{file}:") for line in lines)


def test_every_key_has_a_description_for_editors():
    schema = json.loads(schema_json())
    objects = {"(file)": schema} | schema["$defs"]  # a key with only a $ref has the description there
    assert [
        name for name, shape in objects.items() if "enum" not in shape and not shape.get("description")
    ] == []
    silent = [
        (name, key)
        for name, model in objects.items()
        if name != "Checks"
        for key, shape in model.get("properties", {}).items()
        if not shape.get("description") and "$ref" not in shape
    ]
    assert silent == []
