"""What the Ray commands share: command line, storage, progress and the tables of models."""
