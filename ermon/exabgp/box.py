"""The box of ExaBGP's process, which parses input from strangers, and of its relay: it limits their rights.

Both run as ermon's user. An attacker who takes them over through a hole in the parser must not reach ermon's keys,
store, memory or socket. So ``launch`` enters this box before it imports ExaBGP, and no process can leave it.
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
"""The parts of the box, which may be missing on a machine: limits on files, ports and signals, and on connections and
everything else that ``calls`` refuses."""

MISSING = b"missing"
"""Begins the message to ermon's door with the names of the missing parts, if any."""

_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/nix/store", "/gnu/store")
"""The folders of shared libraries that Python needs, in addition to its prefix and the loaded libraries."""

_MACHINE = ("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo", "/dev/null", "/dev/urandom")


def rights_of_exabgp(folder: Path, port: int) -> Rights:
    """Return the rights that ExaBGP needs: to read its folder and code, to listen on its port, to run Python for the relay."""
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
    """Permanently limit this process to ``rights``; return the ``PARTS`` that this machine does not support."""
    # As root it could load kernel modules, so the capabilities go. DAC_READ_SEARCH stays, because the code may be in a
    # folder of another account; Landlock limits what it can read there.
    keep_capabilities({NET_BIND_SERVICE, DAC_READ_SEARCH})
    missing = enter(rights)
    try:
        forgo_new_privileges()
        refused = refuse_calls()
    except OSError:
        refused = False
    return missing if refused else (*missing, CALLS)


def _folder_of(package: str) -> tuple[str, ...]:
    """Return the folder in which a package is installed: it contains only code."""
    spec = find_spec(package)
    return () if spec is None or spec.origin is None else (str(Path(spec.origin).parents[1]),)


def _loaded_files() -> set[str]:
    """Return the files mapped into this process, including ld.so, which the kernel executes for every program."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
        return {line[line.index("/") :] for line in lines if "/" in line}
    return set()
