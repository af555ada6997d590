"""Which passwords are taken: long enough, and not among the first that anybody would try."""

from lumi_common.errors import InvalidArgument
from lumi_identity.domain.errors import Reason

MIN_CHARACTERS, MAX_CHARACTERS = 8, 256
_LONG_ENOUGH_TO_GIVE_AWAY = 4

# The most used ones of eight characters and more, as leaked lists agree on them.
_MOST_USED = """
    00000000 000000000 0000000000 0123456789 0987654321 1111111111 111111111 11111111 11223344 112233445566 12121212
    123123123 1231231234 123321123 12341234 1234512345 123454321 1234554321 12345678 123456789 1234567890 12345678910
    1234567891 123456789a 12345678a 12345qwert 123654789 123qweasd 1357924680 147258369 147852369 1q2w3e4r 1q2w3e4r5t
    1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc 22222222 31415926 55555555 66666666 77777777 789456123 87654321 88888888
    987654321 9876543210 99999999 aa123456 aa12345678 abc12345 abcd1234 abcdefgh abcdefghij access14 administrator
    adminadmin alexander asdfasdf asdfghjk asdfghjkl asdf1234 babygirl baseball basketball bismillah blink182 butterfly
    changeme changeme123 charlie1 chocolate computer corvette football football1 galatasaray fenerbahce besiktas
    helloworld iloveyou iloveyou1 iloveyou2 internet istanbul jennifer jessica1 jordan23 letmein1 liverpool
    lovelove madison1 master12 maverick michelle mercedes midnight mustang1 ncc1701d p@ssw0rd p@ssword pa55word
    pass1234 passw0rd password password! password1 password12 password123 password1234 princess princess1 q1w2e3r4
    q1w2e3r4t5 qazwsxedc qazxswedc qq123456 qwer1234 qwerqwer qwert12345 qwerty12 qwerty123 qwerty1234 qwerty12345
    qwertyui qwertyuiop qwerty123456 samantha secret123 spiderman starwars sunshine sunshine1 superman superman1
    test1234 testtest trustno1 undertaker victoria welcome1 welcome123 whatever william1 zaq12wsx zaq1zaq1 zxcvbnm1
    zxcvbnm123
"""
_TOO_OBVIOUS = frozenset(_MOST_USED.split())


def check_password(password: str, *, email: str) -> str:
    """The password as it is; raises InvalidArgument for one that is too short or too long, or easily guessed."""
    folded = password.casefold()
    name = email.partition("@")[0].casefold()
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise _too_weak(f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters")
    if folded in _TOO_OBVIOUS or len(set(folded)) <= 2:
        raise _too_weak("the password is among the first that anybody would try")
    if len(name) >= _LONG_ENOUGH_TO_GIVE_AWAY and name in folded:
        raise _too_weak("the password holds the e-mail's name")
    return password


def _too_weak(why: str) -> InvalidArgument:
    return InvalidArgument(Reason.PASSWORD_TOO_WEAK, why, field="password")
