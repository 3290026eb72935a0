"""Decodes mutated audio files in one bounded process and prints what became of them, as one line of JSON.

Run as ``python -m fuzz_decoder FOLDER COUNT SEED``; FOLDER holds good files, and gets the bad ones.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from audiosr_fx import decode_child
from audiosr_fx.decode_limits import ALL_KINDS, DecodeLimits

SMALL = DecodeLimits(kinds=ALL_KINDS, max_bytes=64 << 20, max_s=600.0)


def mutate(content: bytes, random_: random.Random) -> bytes:
    """A file with bits flipped, stretches lost, doubled or overwritten, most of it near the headers."""
    changed = bytearray(content)
    for _ in range(random_.randint(1, 3)):
        where = min(int(random_.expovariate(1 / 200)), len(changed) - 1)
        if random_.random() < 0.6:
            where = random_.randrange(len(changed))
        match random_.randrange(6):
            case 0:
                changed[where] ^= 1 << random_.randrange(8)
            case 1:
                changed[where] = random_.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                changed[where : where + 4] = random_.choice(
                    (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", bytes(4))
                )
            case 3:
                del changed[where : where + random_.randint(1, 64)]
            case 4:
                changed[where:where] = changed[where : where + random_.randint(1, 64)]
            case 5:
                del changed[where + random_.randrange(max(1, len(changed) - where)) :]
        changed = changed or bytearray(1)
    return bytes(changed)


def main(folder: Path, count: int, seed: int) -> None:
    limits = asdict(SMALL)
    decode_child.bind_to(limits)
    from audiosr_fx.decode_task import decode_into

    good = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    random_ = random.Random(seed)
    found: Counter[str] = Counter()
    for number in range(count):
        name = random_.choice(list(good))
        path = folder / f"bad-{name}"
        path.write_bytes(mutate(good[name], random_))
        print(seed, number, name, file=sys.stderr, flush=True)  # the last one is the culprit
        source = os.open(path, os.O_RDONLY)
        spool = os.open(folder / "spool", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        request = {
            "path": str(path),
            "shown": name,
            "source": source,
            "spool": spool,
            "folder": str(folder),
            "limits": limits,
        }
        told = decode_into(request, lambda message: None)
        if "error" in told:
            assert "\n" not in told["error"]
            assert told["error"].startswith(f"{name}: "), told["error"]
        else:
            assert os.fstat(spool).st_size == 4 * told["info"]["frames"] * told["info"]["channels"]
        found["refused" if "error" in told else "decoded"] += 1
        os.close(source)
        os.close(spool)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
