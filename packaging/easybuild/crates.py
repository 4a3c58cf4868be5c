#!/usr/bin/env python3
"""Writes the crates of Cargo.lock, with their checksums, into the easyconfigs of this folder; --check only compares (exit code 1)."""

import sys
import tomllib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
BEGIN, END = "# crates of Cargo.lock, by crates.py\n", "# end of crates\n"


def crates(lock):
    """The easyconfig parameters `crates` and `checksums`: the source tarball's first, which is made on the spot and has none."""
    packages = [package for package in tomllib.loads(lock)["package"] if "checksum" in package]
    lines = ["crates = [", *(f"    ('{package['name']}', '{package['version']}')," for package in packages), "]"]
    names = [(f"{package['name']}-{package['version']}.tar.gz", package["checksum"]) for package in packages]
    lines += ["checksums = [", "    None,  # the tarball", *(f"    {{'{name}': '{checksum}'}}," for name, checksum in names), "]"]
    return "\n".join(lines) + "\n"


stale = []
wanted = BEGIN + crates((FOLDER / "../../Cargo.lock").read_text()) + END
for easyconfig in sorted(FOLDER.glob("*.eb")):
    text = easyconfig.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    if text != before + wanted + after:
        stale.append(easyconfig)
        if "--check" not in sys.argv[1:]:
            easyconfig.write_text(before + wanted + after)
if stale and "--check" in sys.argv[1:]:
    names = ", ".join(path.name for path in stale)
    sys.exit(f"error: {names}: not the crates of Cargo.lock\nhelp: run packaging/easybuild/crates.py")
