"""Named parts of a protein, such as its strands, and which of them touch each other when it is folded."""

from mdtok.errors import SettingsError


class ProteinParts:
    """What definitions of proteins have in common: ``parts`` and ``contacts_between`` of a system.yaml.

    Attributes
    ----------
    parts : dict of str -> [int, int]
        First and last residue of each part, counted from 0; both belong to it.
    contacts_between : dict of str -> [str, str]
        Pairs of parts, such as the two strands of a hairpin. The native contacts between the two tell whether the pair
        is formed.
    """

    name: str
    sequence: str
    parts: dict
    contacts_between: dict

    def residues_of(self, part: str) -> range:
        """Residues of a part, counted from 0."""
        first, last = self.parts[part]
        return range(first, last + 1)

    def require_parts(self) -> None:
        """Raise SettingsError where ``parts`` or ``contacts_between`` do not read as they must.

        A part outside of the ``sequence`` is refused, too, where the system has one.
        """
        if not isinstance(self.parts, dict) or not all(map(_is_part, self.parts.items())):
            raise SettingsError(
                f"{self.name}: parts must read like '{{β1: [6, 13], β2: [15, 23]}}', first and last residue from 0."
            )
        for part, (first, last) in self.parts.items():
            if self.sequence and last >= len(self.sequence):
                raise SettingsError(
                    f"{self.name}: the part {part} is [{first}, {last}]; the sequence has the residues "
                    f"0 .. {len(self.sequence) - 1}."
                )
        if not isinstance(self.contacts_between, dict) or not all(map(_is_pair, self.contacts_between.items())):
            raise SettingsError(f"{self.name}: contacts_between must read like '{{hairpin 1: [β1, β2]}}'.")
        for pair, names in self.contacts_between.items():
            for name in names:
                if name not in self.parts:
                    raise SettingsError(
                        f"{self.name}: contacts_between of {pair!r} names {name!r}; "
                        f"its parts are {', '.join(self.parts) or 'none'}."
                    )


def _is_part(item):
    name, ends = item
    if not isinstance(name, str) or not isinstance(ends, (list, tuple)) or len(ends) != 2:
        return False
    return all(isinstance(end, int) and not isinstance(end, bool) for end in ends) and 0 <= ends[0] <= ends[1]


def _is_pair(item):
    name, parts = item
    return (
        isinstance(name, str)
        and isinstance(parts, (list, tuple))
        and len(parts) == 2
        and all(isinstance(part, str) for part in parts)
    )
