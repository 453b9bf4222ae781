"""Made-up people: common surnames and given names drawn by a seeded random source.

Whoever bears one of these names in life is not meant. Employee numbers and phone numbers are of
forms that nobody has: numbers begin with `D`, phones with 100.
"""

from random import Random
from typing import Final

import msgspec

SURNAMES: Final = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
    "苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟"
)
GIVEN_FIRST: Final = "建国志文明海春秀玉晓小永立伟俊宏家思雨子嘉佳欣梦天一若慧丽雪云德正新学忠"
GIVEN_SECOND: Final = "华军平英芳红梅霞兰敏静强磊涛勇杰峰超波辉刚健斌宁琳颖婷洁莉娜倩怡然宇轩涵博睿"
TWO_CHARACTER_SHARE: Final = 0.25


class Identity(msgspec.Struct, frozen=True):
    """What identifies a person; it is sealed before it comes near the log."""

    name: str
    number: str
    phone: str


def identity(random: Random, serial: int) -> Identity:
    """One made-up person; the serial number makes number and phone unique."""
    given = random.choice(GIVEN_SECOND)
    if random.random() >= TWO_CHARACTER_SHARE:
        given = random.choice(GIVEN_FIRST) + given
    surname = random.choice(SURNAMES)
    return Identity(surname + given, f"D{serial:07}", f"100{serial:08}")
