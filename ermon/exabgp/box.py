"""What is left to the process that parses what strangers send, ExaBGP's, and to the relay that it starts.

Both run as ermon's user. An attacker who takes them over through a hole in the parser must not reach ermon's keys,
store, memory or socket; so ``launch`` goes into this box before it imports ExaBGP, and nobody comes out again.
"""

from __future__ import annotations

import contextlib
import sys
from importlib.util import find_spec
from pathlib import Path

from ermon.exabgp.calls import refuse_calls
from ermon.exabgp.capabilities import DAC_READ_SEARCH, NET_BIND_SERVICE, keep_capabilities
from ermon.exabgp.landlock import SINCE, Rights, enter, forgo_new_privileges

CALLS = "calls"
PARTS = (*SINCE, CALLS)
"""What may be missing on a machine: what keeps the process from files, from other ports, from signals, and from
connections and whatever else ``calls`` refuses."""

MISSING = b"missing"
"""Says to ermon, at its door, what is missing, and perhaps nothing: the names follow it."""

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store")
"""Where the libraries are that Python's own are linked with, besides those of its prefix and those that are loaded."""

_MACHINE = ("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom")


def rights_of_exabgp(folder: Path, port: int) -> Rights:
    """Return what ExaBGP needs: its folder and its code to read, its port to listen on, Python for the relay."""
    python = Path(sys.executable)
    loaded = _loaded_files()
    own = (str(folder), str(Path(__file__).parent), str(python.parent.parent / "pyvenv.cfg"))
    of_python = [
        f"{base}/{name}" for base in (sys.base_prefix, sys.base_exec_prefix) for name in ("lib", "lib64")
    ]
    libraries = {str(Path(path).parent) for path in loaded if ".so" in path}
    return Rights(
        read=(*own, *_folder_of("exabgp"), *of_python, *libraries, *_LIBRARIES, *_MACHINE),
        write=("/dev/null",),
        execute=(
            str(python.resolve()),
            *(path for path in loaded if Path(path).name.startswith("ld-")),
        ),
        listen=(port,),
    )


def enter_box(rights: Rights) -> tuple[str, ...]:
    """Leave this process, for good, nothing but ``rights``; return the ``PARTS`` that this machine cannot take."""
    # Root may load a module into the kernel. What may be below a folder of somebody else's is Landlock's to say.
    keep_capabilities({NET_BIND_SERVICE, DAC_READ_SEARCH})
    missing = enter(rights)
    try:
        forgo_new_privileges()
        refused = refuse_calls()
    except OSError:
        refused = False
    return missing if refused else (*missing, CALLS)


def _folder_of(package: str) -> tuple[str, ...]:
    """Return the folder that a package is installed in: all that is there is code."""
    spec = find_spec(package)
    return () if spec is None or spec.origin is None else (str(Path(spec.origin).parents[1]),)


def _loaded_files() -> set[str]:
    """Return the files that are part of this process, ld.so among them, which the kernel executes for every program."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
        return {line[line.index("/") :] for line in lines if "/" in line}
    return set()
