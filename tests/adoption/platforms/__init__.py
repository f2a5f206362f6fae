"""The platforms' tables: see `platform.py`. Sources and dates are in the `.sql` files."""

from tests.adoption.platforms.bbgo import BBGO
from tests.adoption.platforms.copy_trading import COPY_TRADING
from tests.adoption.platforms.freqtrade import FREQTRADE
from tests.adoption.platforms.gocryptotrader import GOCRYPTOTRADER
from tests.adoption.platforms.hummingbot import HUMMINGBOT
from tests.adoption.platforms.hummingbot_api import HUMMINGBOT_API
from tests.adoption.platforms.jesse import JESSE
from tests.adoption.platforms.nautilus import NAUTILUS
from tests.adoption.platforms.opencex import OPENCEX
from tests.adoption.platforms.partitioned import PARTITIONED
from tests.adoption.platforms.peatio import PEATIO
from tests.adoption.platforms.platform import Platform
from tests.adoption.platforms.prisma import PRISMA

PLATFORMS = {
    platform.name: platform
    for platform in (
        PEATIO,
        OPENCEX,
        FREQTRADE,
        HUMMINGBOT,
        HUMMINGBOT_API,
        NAUTILUS,
        GOCRYPTOTRADER,
        BBGO,
        JESSE,
        COPY_TRADING,
        PRISMA,
        PARTITIONED,
    )
}

__all__ = ["PLATFORMS", "Platform"]
