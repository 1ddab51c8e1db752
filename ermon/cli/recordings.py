"""The commands that read recordings: replay runs them through the checks, and recording export writes them as MRT."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ermon.cli.shared import FINE, USAGE, Commands, RefusedError, add_feeds_match, add_instance, instance_of

if TYPE_CHECKING:
    from ermon.config.load import LoadedConfig
    from ermon.exabgp.decode import Rejected
    from ermon.recording.mrt.replay import MrtPlayback
    from ermon.recording.mrt.report import MrtReport
    from ermon.recording.replay import Replay


MOST_LEFT_OUT = 20
"""Kinds of what an export leaves out that are named."""


def add_replay(commands: Commands) -> None:
    parser = commands.add_parser(
        "replay",
        help="run recorded events through the checks",
        usage="%(prog)s [options] CONFIG EVENTS [EVENTS ...]\n       %(prog)s [options] CONFIG --mrt FILE [--mrt FILE ...] [--feed NAME]",
        description="Runs a recording of ermon, JSON lines of ExaBGP, or MRT files of routers and route collectors through the code "
        "of the daemon, with the clock of the recording. Prints one JSON object for each finding raised or cleared, or a table on "
        "a terminal.",
    )
    parser.add_argument("config_file", type=Path, metavar="CONFIG")
    events = parser.add_argument(
        "events",
        type=Path,
        nargs="+",
        metavar="EVENTS",
        help="a file of JSON lines, gzipped or not, a folder of recordings, or - for standard input; several are read "
        "one after the other",
    )
    parser.add_argument(
        "--mrt",
        action=_InsteadOf,
        events=events,
        type=Path,
        default=[],
        metavar="FILE",
        help="instead of EVENTS: a file of MRT (RFC 6396), with messages (BGP4MP, BGP4MP_ET) or tables (TABLE_DUMP_V2), plain or "
        "compressed with gzip or bzip2, or - for standard input; may be repeated. A session in it is the feed that has the "
        "addresses of both ends or, of feeds by BMP, the neighbor's",
    )
    parser.add_argument(
        "--feed",
        metavar="NAME",
        help="with --mrt: the feed of all peers that no feed's addresses fit, such as the feed of an edge table for a router's own table, or "
        "one of the view internet for the table of a route collector",
    )
    add_instance(parser)
    parser.add_argument(
        "--until",
        type=float,
        metavar="SECONDS",
        help="stop the clock this long after the first line (default: when no timer is running any more)",
    )
    parser.add_argument(
        "--statuses", action="store_true", help="also print the status of every check and subject at the end"
    )
    parser.add_argument("--json", action="store_true", help="print JSON objects on a terminal too")
    parser.set_defaults(command=_replay)


class _InsteadOf(argparse.Action):
    """Appends, and makes another argument optional."""

    def __init__(self, *arguments: Any, events: argparse.Action, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._events = events

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        del parser, option_string
        setattr(namespace, self.dest, [*getattr(namespace, self.dest), values])
        self._events.nargs, self._events.required = "*", False


def _replay(options: argparse.Namespace) -> int:
    from ermon.config.load import load_config
    from ermon.recording.files import STANDARD_INPUT

    if options.mrt and options.events:
        raise RefusedError(
            f"give either EVENTS or --mrt, not both: {options.events[0]}, --mrt {options.mrt[0]}"
        )
    if options.feed and not options.mrt:
        raise RefusedError("--feed is for --mrt: lines of ExaBGP say themselves of which feed they are")
    loaded = load_config(options.config_file).of(instance_of(options))
    replay_them = _replay_mrt if options.mrt else _replay_lines
    return replay_them(options, loaded, flush=STANDARD_INPUT in (options.mrt or options.events))


def _lists(options: argparse.Namespace, loaded: LoadedConfig) -> Any:
    """Return the published lists that are files; say which of them cannot be read."""
    from ermon.sources.reading import load_local

    lists, problems = load_local(loaded.config, options.config_file.parent)
    print(*(f"{options.config_file}: {problem}\n" for problem in problems), sep="", end="", file=sys.stderr)
    return lists


def _show(options: argparse.Namespace) -> Callable[[dict[str, Any]], str]:
    from ermon.recording.replay import to_line, to_row

    return to_row if sys.stdout.isatty() and not options.json else to_line


def _show_statuses(options: argparse.Namespace, replay: Replay[Any]) -> int:
    show = _show(options)
    for status in replay.statuses() if options.statuses else ():
        print(show(status))
    return FINE


def _replay_lines(options: argparse.Namespace, loaded: LoadedConfig, *, flush: bool) -> int:
    from ermon.recording.files import RecordedLines, recordings
    from ermon.recording.replay import Playback, Replay

    def note(text: str) -> None:
        print(f"{lines.path}: {text}", file=sys.stderr)

    def reject(_: int, rejected: Rejected) -> None:
        print(f"{lines.path}:{lines.number}: skipped: {rejected.reason}: {rejected.detail}", file=sys.stderr)

    digest = hashlib.sha256(options.config_file.read_bytes()).hexdigest()
    lines = RecordedLines([path for each in options.events for path in recordings(each)], note)
    lists, show = _lists(options, loaded), _show(options)
    replay = Replay(Playback(loaded.config, reject, lists=lists, config_sha256=digest, note=note))
    for transition in replay.transitions(lines, options.until):
        print(show(transition), flush=flush)
    if not replay.decoded_anything:
        print(
            f"{', '.join(map(str, options.events))}: no line could be decoded: is it a recording of ExaBGP's JSON, "
            f"for the feeds of {options.config_file}? --mrt FILE reads MRT.",
            file=sys.stderr,
        )
        return USAGE
    return _show_statuses(options, replay)


def _replay_mrt(options: argparse.Namespace, loaded: LoadedConfig, *, flush: bool) -> int:
    from ermon.recording.mrt.files import MrtFiles
    from ermon.recording.mrt.peers import Matching
    from ermon.recording.mrt.replay import MrtPlayback
    from ermon.recording.mrt.report import MrtReport, half_tables, peers_without_feed
    from ermon.recording.replay import Replay
    from ermon.sources.published import with_published

    def note(text: str) -> None:
        print(f"{files.path}: {text}", file=sys.stderr)

    config = with_published(loaded.config, _lists(options, loaded))
    if options.feed is not None and options.feed not in config.feeds:
        raise RefusedError(
            f"--feed {options.feed}: there is no such feed; there are {', '.join(sorted(config.feeds))}"
        )
    files, report, matching = MrtFiles(options.mrt, note), MrtReport(note), Matching(config, options.feed)
    playback, show = MrtPlayback(config, matching, report.skipped), _show(options)
    replay = Replay(playback)
    for transition in replay.transitions(files, options.until):
        print(show(transition), flush=flush)
    report.close()
    names = ", ".join(map(str, options.mrt))
    if unmatched := peers_without_feed(playback.without_feed(), matching):
        hint = "" if options.feed else "; --feed NAME takes them as that feed"
        print(
            f"{names}: no feed of {options.config_file} has these peers: {', '.join(unmatched)}{hint}",
            file=sys.stderr,
        )
    if not replay.decoded_anything:
        if not unmatched:
            print(f"{names}: {_nothing_in(playback, report)}", file=sys.stderr)
        return USAGE
    for text in half_tables(playback):
        note(text)
    return _show_statuses(options, replay)


def _nothing_in(playback: MrtPlayback, report: MrtReport) -> str:
    """Say why files have nothing about any session."""
    if playback.has_table:
        return "the table in it has no routes that ermon can read, and an empty table does not say of which family it is"
    what = "no record of sessions or tables" if report.count else "no record of MRT"
    return f"there is {what} in it that ermon can read"


# As MRT --------------------------------------------------------------------------------------------------


def add_recording(commands: Commands) -> None:
    parser = commands.add_parser(
        "recording",
        help="export a recording for other tools",
        description="Works on recordings of `ermon run --record.path`.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    export = actions.add_parser(
        "export",
        help="write the sessions of a recording as MRT, for bgpdump and every other tool",
        description="Writes the sessions of the feeds in a recording as MRT (RFC 6396): messages and changes of state, with "
        "microseconds. UPDATEs have the octets that the router sent, if the recording has them; else they are encoded again. "
        "`ermon replay --mrt` reads the file with the same configuration.",
        epilog="example: ermon recording export /etc/ermon/ermon.yml /var/lib/ermon/recordings --feed edge-1 --mrt edge-1.mrt.gz",
    )
    export.add_argument("config_file", type=Path, metavar="CONFIG", help="the configuration with the feeds")
    export.add_argument(
        "recordings",
        type=Path,
        nargs="+",
        metavar="RECORDING",
        help="a recording, gzipped or not, a folder of recordings, or - for standard input; several are one after the other",
    )
    export.add_argument(
        "--mrt",
        nargs="?",
        const=Path("-"),
        type=Path,
        required=True,
        metavar="FILE",
        help="write MRT to this new file, compressed if it ends with .gz or .bz2 (default: - for standard output)",
    )
    export.add_argument(
        "--feed",
        dest="feeds",
        action="append",
        default=[],
        metavar="NAME",
        help="export only this feed; may be repeated (default: all feeds)",
    )
    add_feeds_match(export)
    export.add_argument(
        "--from",
        dest="since",
        type=_time,
        metavar="TIME",
        help="begin at this time, such as 2026-12-01T02:00:00Z, with what the feeds have received until then (default: at the begin)",
    )
    export.add_argument(
        "--to", dest="until", type=_time, metavar="TIME", help="end at this time (default: at the end)"
    )
    export.set_defaults(command=_export)


def _time(text: str) -> float:
    from ermon.model.text import parse_timestamp

    try:
        return parse_timestamp(text).timestamp()
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _export(options: argparse.Namespace) -> int:
    from ermon.config.load import load_config
    from ermon.recording.files import STANDARD_INPUT, RecordedLines, recordings
    from ermon.recording.mrt.export import MrtExport, Selection
    from ermon.recording.mrt.files import write_mrt

    def note(text: str) -> None:
        print(f"{lines.path}: {text}" if lines.path else text, file=sys.stderr)

    config = load_config(options.config_file).of(instance_of(options)).config
    if unknown := sorted(set(options.feeds) - set(config.feeds)):
        raise RefusedError(f"there is no feed {unknown[0]!r}; there are {', '.join(sorted(config.feeds))}")
    if options.since is not None and options.until is not None and options.until < options.since:
        raise RefusedError("--to is before --from")
    if options.mrt == STANDARD_INPUT and sys.stdout.isatty():
        raise RefusedError("MRT is no text for a terminal; give --mrt a FILE")
    lines = RecordedLines([path for each in options.recordings for path in recordings(each)], note)
    selected = frozenset(options.feeds or config.feeds)
    export = MrtExport(config, Selection(selected, options.since, options.until), note)
    count = write_mrt(options.mrt, export.records(lines))
    for what, times in export.left_out.most_common(MOST_LEFT_OUT):
        print(f"left out, {times} times: {what}", file=sys.stderr)
    if (more := len(export.left_out) - MOST_LEFT_OUT) > 0:
        print(f"left out: {more} more kinds", file=sys.stderr)
    if export.rejected:
        print(f"{export.rejected} of {export.lines} lines could not be read", file=sys.stderr)
    if not count:
        names = ", ".join(map(str, options.recordings))
        print(
            f"{names}: it has no session of {', '.join(sorted(selected))} in that time; nothing is written",
            file=sys.stderr,
        )
        return USAGE
    print(f"{options.mrt}: {count} records", file=sys.stderr)
    return FINE
