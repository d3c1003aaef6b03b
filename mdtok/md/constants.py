"""Constants of nature, in the units of OpenMM."""

#: The molar gas constant in kJ/mol/K: Boltzmann's constant for energies of a mole.
GAS_CONSTANT_KJ_MOL_K = 0.00831446261815324
