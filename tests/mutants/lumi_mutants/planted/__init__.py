"""The planted bugs: each of a line or a few that somebody might change in good faith."""

from lumi_mutants.mutation import Mutation
from lumi_mutants.planted.accounts import ACCOUNTS
from lumi_mutants.planted.data import REQUESTS, ROWS
from lumi_mutants.planted.edge import EDGE
from lumi_mutants.planted.peers import PEERS
from lumi_mutants.planted.people import PEOPLE
from lumi_mutants.planted.references import REFERENCES
from lumi_mutants.planted.refusals import REFUSALS
from lumi_mutants.planted.runtime import ACCESS, EVENTS
from lumi_mutants.planted.services import MONEY, PLACING, STOCK
from lumi_mutants.planted.sessions import SESSIONS
from lumi_mutants.planted.signing_in import SIGNING_IN
from lumi_mutants.planted.staff import STAFF

PLANTED: tuple[Mutation, ...] = (
    *REQUESTS,
    *ROWS,
    *REFERENCES,
    *EVENTS,
    *PEERS,
    *ACCESS,
    *REFUSALS,
    *EDGE,
    *SESSIONS,
    *ACCOUNTS,
    *SIGNING_IN,
    *STAFF,
    *PEOPLE,
    *STOCK,
    *MONEY,
    *PLACING,
)
