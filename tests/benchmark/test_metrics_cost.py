"""Metrics take few packets: the short form of scripts/metrics-cost."""

import pytest

from scripts.metrics_cost import main


def test_at_most_one_packet_is_sent_for_twenty_orders(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--orders", "3000", "--pairs", "1"])

    report = capsys.readouterr().out
    assert code == 0, report
    assert "orders |" in report
