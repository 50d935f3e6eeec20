"""The simulated shop: events of shoppers and attackers, with faults, sent to Kafka or written to files."""
