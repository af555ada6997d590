"""The planted bugs: each of a line or a few that somebody might change in good faith."""

from lumi_mutants.mutation import Mutation
from lumi_mutants.planted.data import REQUESTS, ROWS
from lumi_mutants.planted.references import REFERENCES
from lumi_mutants.planted.runtime import ACCESS, EVENTS
from lumi_mutants.planted.services import MONEY, PLACING, STOCK

PLANTED: tuple[Mutation, ...] = (*REQUESTS, *ROWS, *REFERENCES, *EVENTS, *ACCESS, *STOCK, *MONEY, *PLACING)
