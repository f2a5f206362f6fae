"""The configuration for Debian's supervisord in the documents is the one that we ship."""

from configparser import RawConfigParser

from .documents import blocks, read

PROGRAM = "program:reconciler"
OF_THE_PLACE = {"command", "directory", "environment", "stdout_logfile"}
"""The options that differ: user, folder and log are others."""


def test_the_program_for_debian_has_the_options_of_supervisor_conf() -> None:
    shipped, typed = RawConfigParser(), RawConfigParser()
    shipped.read_string(read("supervisor.conf"))
    (block,) = [block.code for block in blocks("bash") if f"[{PROGRAM}]" in block.code]
    typed.read_string(block.partition("<<'EOF'\n")[2].partition("\nEOF")[0])

    ours, debian = dict(shipped[PROGRAM]), dict(typed[PROGRAM])

    assert debian.pop("user") == "reconciler"
    assert debian.keys() == ours.keys()
    assert {key for key in ours if debian[key] != ours[key]} == OF_THE_PLACE
    assert debian["command"] == ours["command"].replace("%(here)s", "/opt/reconciler")
    assert debian["environment"] == 'HOME="/var/lib/reconciler",' + ours["environment"].replace(
        "%(here)s", "/var/lib/reconciler"
    )
