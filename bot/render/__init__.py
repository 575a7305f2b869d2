"""Message templates: words with variables, checked when they are edited so that sending them cannot fail."""

from bot.render.contracts import CONTRACTS, LINK_PREFIX, Contract, contract_for
from bot.render.grammar import Problem, TemplateError
from bot.render.renderer import Renderer, shipped_templates
from bot.render.values import clean_value, clip, split_text
from bot.render.variables import Variable

__all__ = [
    "CONTRACTS",
    "LINK_PREFIX",
    "Contract",
    "Problem",
    "Renderer",
    "TemplateError",
    "Variable",
    "clean_value",
    "clip",
    "contract_for",
    "shipped_templates",
    "split_text",
]
