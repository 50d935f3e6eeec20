"""The neighbours of each product by the co-visitation formula of the contracts."""

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pyspark.sql import DataFrame

from clickstream_contracts.covisitation import CoVisitation
from spark_apps.common.lake import Lake

SQL = Path(__file__).parent
TABLE = "features.item_neighbours"


@dataclass(frozen=True)
class WeightUnits:
    """The weights of the formula as whole numbers in units of 1 / `denominator`, so that their sum is the same in any order.

    All fields are multiples of each distance from 1 to the window.
    """

    denominator: int
    backward_weight: int
    self_weight: int


def weight_units(parameters: CoVisitation) -> WeightUnits:
    """Returns the formula's weights in the largest unit in which they and their parts by distance are whole."""
    # str() gives the decimal number of the YAML file; the double itself has a huge denominator.
    backward_weight, self_weight = Fraction(str(parameters.backward_weight)), Fraction(str(parameters.self_weight))
    distances = math.lcm(*range(1, parameters.window + 1))
    denominator = distances * math.lcm(backward_weight.denominator, self_weight.denominator)
    return WeightUnits(denominator, int(denominator * backward_weight), int(denominator * self_weight))


def item_neighbours(lake: Lake, parameters: CoVisitation) -> DataFrame:
    """Returns the heaviest neighbours of each product in the training sessions."""
    return lake.sql(SQL / "item_neighbours.sql", parameters=parameters, units=weight_units(parameters))
