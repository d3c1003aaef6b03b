"""What anything generated, beside MD: `judge`, ensembles without time, the field's metrics."""
