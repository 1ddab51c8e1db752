"""The rules on the ports of NAT pools: by Prometheus' own test runner, with series as firewalls' exporters write them."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from ermon import cli
from ermon.rules import RuleSet, render
from ermon.rules.nat import NatSessions, QueryError
from tests import bgp
from tests.deploy.catalogue_tests import REFERENCE

DOCUMENT = (Path(__file__).parents[2] / "deploy" / "PROBES.md").read_text()
ADDRESSES = {"chi-outbound": 16, "dal-outbound": 16}
PORTS = 64_512
USED, UNKNOWN = "ErmonNatPortsUsed", "ErmonNatSessionsUnknown"


def promtool(tmp_path, rules, tests):
    """Run promtool's tests of the rules; each test may leave out its interval."""
    bgp.require(shutil.which("promtool") is not None, "promtool (of Prometheus)")
    (tmp_path / "nat.rules.yml").write_text(rules)
    document = {
        "rule_files": ["nat.rules.yml"],
        "evaluation_interval": "30s",
        "tests": [{"interval": "30s"} | test for test in tests],
    }
    (tmp_path / "nat.test.yml").write_text(yaml.safe_dump(document, sort_keys=False))
    ran = subprocess.run(
        ["promtool", "test", "rules", "nat.test.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    checked = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", "nat.rules.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def rules(query="sessions", **options):
    return render([], nat_sessions=NatSessions(query, **options))


def addresses(values="16x60", pool="chi-outbound", instance="a"):
    return {"series": f'ermon_pool_addresses{{instance="{instance}", pool="{pool}"}}', "values": values}


def sessions(series, values):
    return {"series": series, "values": values}


def share(percent, ports=PORTS, count=16):
    """The number of sessions that is this share of a pool's ports, rounded up."""
    return -(-percent * ports * count // 100)


def shown(count, percent, ports=PORTS):
    return (
        f"NAT pool chi-outbound uses {percent}% of its ports: {count} sessions with {ports} ports for each address. When none is free, "
        "new connections to Microsoft fail, although all routes are there. 1. Find the clients with the most sessions on the firewall: "
        "one of them may be faulty. 2. Add addresses to the pool, in this order: let the routers advertise them to Microsoft on every "
        "link, add them to nat_pools.chi-outbound.prefixes in ermon.yml, wait until `ermon verify` passes, and only then let the "
        "firewall use them."
    )


def fires(
    at, severity, description, name=USED, summary="A NAT pool has few free ports.", pool="chi-outbound"
):
    labels = {"severity": severity} | ({"pool": pool} if pool else {})
    annotations = {"summary": summary, "description": description}
    return {
        "eval_time": at,
        "alertname": name,
        "exp_alerts": [{"exp_labels": labels, "exp_annotations": annotations}],
    }


def silent(at, name=USED):
    return {"eval_time": at, "alertname": name, "exp_alerts": []}


def level(at, percent):
    """The recorded share, in percent."""
    expr = "round(100 * pool:ermon_nat_ports_used:ratio)"
    return {
        "expr": expr,
        "eval_time": at,
        "exp_samples": [{"labels": '{pool="chi-outbound"}', "value": percent}],
    }


# Levels ----------------------------------------------------------------------------------------------


def test_a_pool_with_few_free_ports_is_a_warning_and_then_critical(tmp_path):
    low, high = share(70), share(90)
    values = f"{low - 1}x9 {low}x9 {high - 1}x9 {high}x9 0x40"
    promtool(
        tmp_path,
        rules(),
        [
            {
                "input_series": [addresses("16x90"), sessions('sessions{pool="chi-outbound"}', values)],
                "alert_rule_test": [
                    silent("4m30s"),
                    silent("6m30s"),  # for two minutes first
                    fires("7m30s", "warning", shown(low, 70)),
                    fires("14m30s", "warning", shown(high - 1, 90)),
                    {
                        "eval_time": "18m",
                        "alertname": USED,
                        "exp_alerts": [
                            *fires("", "critical", shown(high, 90))["exp_alerts"],
                            *fires("", "warning", shown(high - 1, 90))["exp_alerts"],  # for five minutes more
                        ],
                    },
                    fires("20m30s", "critical", shown(high, 90)),
                    silent("30m"),
                    silent("30m", UNKNOWN),
                ],
                "promql_expr_test": [level("2m", 70)],
            }
        ],
    )


@pytest.mark.parametrize(
    ("options", "ports"), [({}, PORTS), ({"ports": 1_000}, 1_000)], ids=["64,512", "as the flag says"]
)
def test_ports_of_each_address_are_64512_unless_the_flag_says_otherwise(tmp_path, options, ports):
    count = share(75, ports)
    series = [addresses(), sessions('sessions{pool="chi-outbound"}', f"{count}x60")]
    tests = [{"input_series": series, "alert_rule_test": [fires("5m", "warning", shown(count, 75, ports))]}]
    promtool(tmp_path, rules(**options), tests)


def test_addresses_of_ipv6_do_not_hide_that_those_of_ipv4_are_used_up(tmp_path):
    count = share(95)
    series = [
        addresses(f"{2**64}x60"),
        sessions('ermon_pool_family_addresses{instance="a", pool="chi-outbound", family="ipv4"}', "16x60"),
        sessions(
            'ermon_pool_family_addresses{instance="a", pool="chi-outbound", family="ipv6"}', f"{2**64}x60"
        ),
        sessions('sessions{pool="chi-outbound"}', f"{count}x60"),
    ]
    tests = [{"input_series": series, "alert_rule_test": [fires("5m", "critical", shown(count, 95))]}]
    promtool(tmp_path, rules(), tests)


def test_two_firewalls_of_one_pool_count_together_and_two_ermons_once(tmp_path):
    half = share(95) // 2
    series = [
        addresses(),
        addresses(instance="b"),
        sessions('sessions{pool="chi-outbound", firewall="1"}', f"{half}x60"),
        sessions('sessions{pool="chi-outbound", firewall="2"}', f"{half}x60"),
        sessions('sessions{pool="guests", firewall="2"}', "9999999x60"),
    ]
    test = {
        "input_series": series,
        "alert_rule_test": [silent("20m", UNKNOWN)],
        "promql_expr_test": [level("5m", 95)],
    }
    promtool(tmp_path, rules(), [test])


def test_a_restart_of_ermon_ends_no_alert(tmp_path):
    count = share(95)
    series = [addresses("16x10 _x6 16x20"), sessions('sessions{pool="chi-outbound"}', f"{count}x60")]
    tests = [{"input_series": series, "alert_rule_test": [fires("8m", "critical", shown(count, 95))]}]
    promtool(tmp_path, rules(), tests)


# Unknown ---------------------------------------------------------------------------------------------

NO_NUMBER = (
    "The query of ermon render rules --nat-sessions returns no number for {}, so ErmonNatPortsUsed cannot fire. Does Prometheus "
    "scrape the firewall's exporter and ermon, and does the query return the names of pools in ermon.yml?"
)
NO_POOL, NO_LONGER = NO_NUMBER.format("any NAT pool of ermon"), NO_NUMBER.format("NAT pool chi-outbound")
UNKNOWN_SUMMARY = "The number of sessions of a NAT pool is unknown."


def unknown(at, description, pool=""):
    return fires(at, "warning", description, UNKNOWN, UNKNOWN_SUMMARY, pool)


@pytest.mark.parametrize(
    "series",
    [[], ['sessions{pool="chicago"}'], ["sessions"]],
    ids=["no exporter", "another name", "no label"],
)
def test_a_query_that_fits_no_pool_is_no_silence(tmp_path, series):
    test = {
        "input_series": [addresses(), *(sessions(each, "9999999x60") for each in series)],
        "alert_rule_test": [silent("9m", UNKNOWN), unknown("11m", NO_POOL), silent("20m")],
    }
    promtool(tmp_path, rules(), [test])


def test_a_pool_that_is_no_longer_counted_is_one_alert_and_a_removed_one_is_none(tmp_path):
    dal = sessions('sessions{pool="dal-outbound"}', "5x80")
    kept = {
        "input_series": [
            *(addresses("16x80", pool) for pool in ADDRESSES),
            sessions('sessions{pool="chi-outbound"}', "5x10"),
            dal,
        ],
        "alert_rule_test": [silent("9m", UNKNOWN), unknown("25m", NO_LONGER, "chi-outbound")],
    }
    removed = {
        "input_series": [
            addresses("16x10"),
            addresses("16x80", "dal-outbound"),
            sessions('sessions{pool="chi-outbound"}', "5x10"),
            dal,
        ],
        "alert_rule_test": [silent("30m", UNKNOWN)],
    }
    exporter = {
        "input_series": [addresses("16x80"), sessions('sessions{pool="chi-outbound"}', "5x10")],
        "alert_rule_test": [unknown("25m", NO_POOL)],
    }
    promtool(tmp_path, rules(), [kept, removed, exporter])


def test_a_pool_that_the_mapping_names_and_that_was_never_counted_is_no_silence(tmp_path):
    mistyped = {
        "input_series": [
            *(addresses("16x80", pool) for pool in ADDRESSES),
            sessions('sessions{pool="M365-CHI"}', "5x80"),
            sessions('sessions{pool="M365-DAL"}', "5x80"),
        ],
        "alert_rule_test": [silent("9m", UNKNOWN), unknown("25m", NO_LONGER, "chi-outbound")],
    }
    removed = {
        **mistyped,
        "input_series": mistyped["input_series"][1:],
        "alert_rule_test": [silent("25m", UNKNOWN)],
    }
    pools = {"M365-CHI ": "chi-outbound", "M365-DAL": "dal-outbound"}
    promtool(tmp_path, rules(pools=pools), [mistyped, removed])


@pytest.mark.parametrize(
    "query", ["sessions / 0", "sessions * 0 / 0", "0 - sessions"], ids=["Inf", "NaN", "negative"]
)
def test_what_is_no_number_of_sessions_is_unknown(tmp_path, query):
    test = {
        "input_series": [addresses(), sessions('sessions{pool="chi-outbound"}', "5x60")],
        "alert_rule_test": [unknown("11m", NO_POOL), silent("20m")],
    }
    promtool(tmp_path, rules(query), [test])


# Joining ---------------------------------------------------------------------------------------------


def test_names_of_pools_are_looked_up_once_each(tmp_path):
    """A value may be the name of another pool, and may have characters that mean something to Prometheus."""
    odd = 'A|B (1) "x" \\ $1'
    text = odd.replace("\\", "\\\\").replace('"', '\\"')
    pools = {"chi-outbound": "dal-outbound", odd: "chi-outbound", "AxB": "dal-outbound"}
    series = [
        *(addresses(pool=pool) for pool in ADDRESSES),
        sessions(f'sessions{{pool="{text}"}}', f"{share(50)}x60"),
        sessions('sessions{pool="chi-outbound"}', f"{share(20)}x60"),
    ]
    expr = "round(100 * pool:ermon_nat_ports_used:ratio)"
    samples = [
        {"labels": '{pool="chi-outbound"}', "value": 50},
        {"labels": '{pool="dal-outbound"}', "value": 20},
    ]
    test = {
        "input_series": series,
        "promql_expr_test": [{"expr": expr, "eval_time": "1m", "exp_samples": samples}],
    }
    promtool(tmp_path, rules(pools=pools), [test])


def test_a_query_may_have_lines_comments_and_texts(tmp_path):
    query = 'max by (pool) (sessions{pool!~"\\\\)|guests"})  # ) not this one\nor # ( nor this\nother'
    series = [addresses(), sessions('sessions{pool="chi-outbound"}', f"{share(50)}x60")]
    promtool(tmp_path, rules(query), [{"input_series": series, "promql_expr_test": [level("1m", 50)]}])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "the query is empty"),
        (" \n", "the query is empty"),
        ("sum(a", r"the query does not close '\('"),
        ("a) or (vector(1)", r"closes '\)' at character 2 without opening it"),
        ('a{b="(\\")"} + sum(x]', r"closes '\]' at character 20 without opening it"),
        ('a{b="c}', "has a text that does not end: '\"' at character 5"),
    ],
)
def test_a_query_that_is_not_one_expression_is_refused(query, message):
    with pytest.raises(QueryError, match=message):
        NatSessions(query)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "a b"}, "'a b' is not the name of a label"),
        ({"pools": {"a": "b c"}}, "'b c' is not the name of a pool"),
        ({"pools": {"a": "$1"}}, r"'\$1' is not the name of a pool"),
    ],
)
def test_labels_and_pools_have_names(options, message):
    with pytest.raises(QueryError, match=message):
        NatSessions("a", **options)


# The command -----------------------------------------------------------------------------------------


def run(capsys, *arguments):
    try:
        code = cli.run(["render", "rules", *map(str, arguments)])
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def groups(text):
    return [group["name"] for group in yaml.safe_load(text)["groups"]]


def test_the_rules_are_printed_with_the_others_or_alone(capsys):
    assert groups(run(capsys, "--self", "--nat-sessions=a")[1]) == ["ermon-self", "ermon-nat"]
    assert groups(run(capsys, "--nat", "--nat-sessions=a")[1]) == ["ermon-nat"]
    everything = groups(run(capsys, REFERENCE, "--nat-sessions=a")[1])
    assert everything[0] == "ermon-self"
    assert everything[-2:] == ["ermon-probes", "ermon-nat"]
    assert "ermon-nat" not in groups(run(capsys, REFERENCE)[1])
    assert "nat" not in [each.value for each in RuleSet]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nat"], "--nat needs --nat-sessions=QUERY"),
        (["--nat-ports=5"], "--nat-label, --nat-pool and --nat-ports need --nat-sessions=QUERY"),
        (["--nat-sessions=a)"], "--nat-sessions: the query closes ')'"),
        (["--nat-sessions=a", "--nat-ports=0"], "'0' is not a number of ports, such as 64512"),
        (["--nat-sessions=a", "--nat-pool=x"], "'x' is not VALUE=POOL, such as NAT-M365=chi-outbound"),
        (
            [REFERENCE, "--nat-sessions=a", "--nat-pool=x=chi"],
            "--nat-pool: there is no NAT pool 'chi': there are chi-outbound, dal-outbound, adfs-inbound",
        ),
    ],
)
def test_wrong_flags_are_2(capsys, arguments, message):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err


# The examples ----------------------------------------------------------------------------------------

EXAMPLES = [
    shlex.split(command.replace("\\\n", " "))[3:]
    for command in re.findall(r"^ermon render rules --nat (?:.*\\\n)*.*$", DOCUMENT, re.MULTILINE)
]

EXPORTED = {
    "fortigate_policy_active_sessions": [
        '{vdom="root", protocol="ipv4", name="Microsoft via Chicago", uuid="5a", id="7"}',
        '{vdom="root", protocol="ipv6", name="Microsoft via Chicago", uuid="5a", id="7"} 999999999',
        '{vdom="root", protocol="ipv4", name="Guests", uuid="5b", id="8"} 999999999',
        '{vdom="root", protocol="ipv4", name="Microsoft via Dallas", uuid="5c", id="9"} 7',
    ],
    "fortigate_ippool_used_items": [
        '{vdom="edge", name="M365-CHI"}',
        '{vdom="lab", name="M365-CHI"} 999999999',
    ],
    "panos_session_session_num_active": [
        '{domain="statistics", category="session", instance="10.36.48.15"}',
        '{domain="statistics", category="session", instance="10.36.48.16"} 999999999',
    ],
    "jnxJsNatSrcNumPortInuse": [
        '{jnxJsNatSrcPoolName="M365-POOL", jnxJsNatSrcXlatedAddrType="1", jnxJsNatSrcXlatedAddr="198.51.100.0"}',
        '{jnxJsNatSrcPoolName="M365-POOL", jnxJsNatSrcXlatedAddrType="1", jnxJsNatSrcXlatedAddr="198.51.100.1"} 0',
    ],
    "panSessionActive": [
        '{instance="fw-chicago-1"}',
        '{instance="fw-chicago-2"} 7',
        '{instance="fw-dallas-1"} 7',
    ],
    "fgVdEntSesCount": [
        '{instance="fw-1", fgVdEntIndex="2"}',
        '{instance="fw-2", fgVdEntIndex="2"} 999999999',
    ],
}
"""Series as the exporters write them; those without a value are the sessions of the pool."""

BLOCK = 128
"""Ports of a block, where the series counts blocks."""


def test_each_exporter_has_an_example():
    assert sorted(each for example in EXAMPLES for each in EXPORTED if each in example[2]) == sorted(EXPORTED)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.search(r"[A-Za-z_]{12,}", example[2])[0])
@pytest.mark.parametrize(("percent", "severity"), [(60, None), (80, "warning"), (92, "critical")])
def test_the_examples_join_what_exporters_write(tmp_path, capsys, example, percent, severity):
    code, out, err = run(capsys, *example)
    assert (code, err) == (0, "")
    ports = int(example[example.index("--nat-ports") + 1]) if "--nat-ports" in example else PORTS
    metric = next(name for name in EXPORTED if name in example[2])
    each = BLOCK if metric == "fortigate_ippool_used_items" else 1
    count = -(-share(percent, ports) // each)
    series = [addresses(pool=pool) for pool in ADDRESSES]
    for text in EXPORTED[metric]:
        labels, _, value = text.rpartition("} ")
        series.append(
            sessions(
                f"{metric}{labels}}}" if labels else f"{metric}{text}", f"{value if labels else count}x60"
            )
        )
    alerts = [silent("5m")]
    if severity is not None:
        used = f"{100 * count * each / (16 * ports):.4g}"
        alerts = [fires("5m", severity, shown(count * each, used, ports))]
    promtool(tmp_path, out, [{"input_series": series, "alert_rule_test": [*alerts, silent("20m", UNKNOWN)]}])
