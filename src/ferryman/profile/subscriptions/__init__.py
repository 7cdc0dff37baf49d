"""Subscription files: CSV and card makers' files, one line for each SIM; ranges whose keys the server makes.

Messages name line, column and rule and never show what stands there, as most columns are secret.
"""

from __future__ import annotations

from ferryman.profile.subscriptions.heading import Heading, InputVariables, read_heading, read_input_variables
from ferryman.profile.subscriptions.mapping import DEFAULT, Column, FileMapping, Transport, read_mapping
from ferryman.profile.subscriptions.ranges import SubscriberRange
from ferryman.profile.subscriptions.rows import Problem, RowReader, Rows, pack, unpack
from ferryman.profile.subscriptions.spelling import luhn_digit

__all__ = [
    "DEFAULT",
    "Column",
    "FileMapping",
    "Heading",
    "InputVariables",
    "Problem",
    "RowReader",
    "Rows",
    "SubscriberRange",
    "Transport",
    "luhn_digit",
    "pack",
    "read_heading",
    "read_input_variables",
    "read_mapping",
    "unpack",
]
