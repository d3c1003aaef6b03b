"""How long `mdtok --help` and `import mdtok` take: the best and the median of five runs each."""

import os
import subprocess
import sys
import time

N_RUNS = 5
_IMPORT = "import time; began = time.perf_counter(); import mdtok; print(time.perf_counter() - began)"


def main() -> None:
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    helps, imports = [], []
    for _ in range(N_RUNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "mdtok", "--help"], check=True, capture_output=True, env=environment)
        helps.append(time.perf_counter() - began)
        imported = subprocess.run([sys.executable, "-c", _IMPORT], check=True, capture_output=True, text=True)
        imports.append(float(imported.stdout))
    for what, seconds in (
        ("mdtok --help, the whole process", helps),
        ("import mdtok, in a process that runs", imports),
    ):
        best, *_ = ordered = sorted(seconds)
        print(f"{what:<40} best {best:.3f} s, median {ordered[N_RUNS // 2]:.3f} s")


if __name__ == "__main__":
    main()
