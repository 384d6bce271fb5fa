"""Reads a device that is there, and writes the profile of one that behaves alike: ``smets1 profiles learn``."""

from rigs.learning.clients import LearningClient, clients
from rigs.learning.profile import Learnt, learn
from rigs.learning.survey import Survey, survey

__all__ = ["LearningClient", "Learnt", "Survey", "clients", "learn", "survey"]
