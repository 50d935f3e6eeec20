"""The stream recommendations: a new list of recommendations for a user with each product that the user views."""

from pathlib import Path

from clickstream_contracts import covisitation, names
from clickstream_contracts.settings import Settings
from flink_apps.common import sql
from flink_apps.common.cli import Stream
from flink_apps.recommendations import connectors
from flink_apps.recommendations.connectors import Connectors

TEMPLATE = Path(__file__).with_name("pipeline.sql")
LIST_LENGTH = 20  # products


def render(settings: Settings, tables: Connectors | None = None) -> str:
    """Returns the statements. `tables` replaces the Kafka connectors.

    What is known only at submission stays a Jinja expression, see common/connectors.py.
    """
    formula = covisitation.item_neighbours()
    values = {
        "connectors": tables or connectors.kafka(),
        "look_back": formula.look_back,
        "decay": formula.decay,
        "list_length": LIST_LENGTH,
    }
    return sql.render(TEMPLATE, values)


STREAM = Stream(
    names.RECOMMENDATIONS_JOB,
    render,
    topics={"clicks": names.CLICKS_TOPIC},
    uses_lake=False,
    # Without state it reads the last hour first, so that visitors who are in the shop keep the products they viewed.
    look_back_seconds=3600,
    checkpoint_factor=3,
    # The views of a user who has viewed nothing for a week are dropped.
    options={"table.exec.state.ttl": "7 d"},
    java_functions=("RecommendationList",),
)
