"""``mdtok bench``: frozen tasks of kinetics, and one row a model of anyone's."""
