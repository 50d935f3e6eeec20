"""What the DAGs speak with: a runtime that builds operators, and the operators and hooks that no provider has."""
