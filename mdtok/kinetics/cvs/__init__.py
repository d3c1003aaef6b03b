"""Collective variables that leave the house: fitted on features, run as forces of OpenMM or as input of PLUMED."""
