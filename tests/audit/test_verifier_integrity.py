# SPDX-License-Identifier: Apache-2.0
"""The stand-alone verifier against every damaged byte, and as a program of its own."""

import ast
import random
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import pytest

from tidegate.audit import verifier, verify
from tidegate.journal import Journal
from tidegate.journal.frames import encode_frame, kind_tag

FILE = Path(verifier.__file__)
NAMES = [
    "structure",
    "checksum",
    "sequence",
    "hash chain",
    "header",
    "seal",
    "checkpoints",
    "approvals precede actions",
    "limits held at every decision",
    "orders accounted for",
    "transfers accounted for",
    "time never runs back",
    "ledger sums to zero",
    "waterfall equals equity",
]


def written(frames: int = 4, mark: str = "a") -> bytes:
    journal = Journal.in_memory({"seed": 7})
    for number in range(frames):
        journal.append("fill", {"ts_ms": 1000 + number, "mark": mark if number else "same"})
    journal.seal()
    return journal.content()


def split(content: bytes) -> list[bytes]:
    frames, offset = [], 0
    while offset < len(content):
        end = offset + 4 + int.from_bytes(content[offset : offset + 4], "little")
        frames.append(content[offset:end])
        offset = end
    return frames


def chained(entries: list[tuple[str, bytes]]) -> bytes:
    """Frames with true checksums and links around any payload, as a forger would make them."""
    content, previous = b"", bytes(32)
    for sequence, (kind, payload) in enumerate(entries):
        frame, previous = encode_frame(sequence, previous, kind_tag(kind), payload)
        content += frame
    return content


def failures(content: bytes, head: str | None = None) -> dict[str, str]:
    """The failed checks that speak for themselves, not for another."""
    return {
        check.name: check.detail
        for check in verify(content, head)
        if not check.passed and not check.detail.startswith("not shown")
    }


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", str(FILE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_sound_journal_passes_every_check_under_its_name() -> None:
    found = verify(written())
    assert [check.name for check in found] == NAMES
    assert all(check.passed for check in found)


@pytest.mark.parametrize("mask", [0x01, 0xFF])
def test_any_flipped_byte_fails_a_check_and_names_the_frame(mask: int) -> None:
    content = written()
    position = 0
    for number, frame in enumerate(split(content)):
        for place in range(len(frame)):
            damaged = bytearray(content)
            damaged[position] ^= mask
            found = failures(bytes(damaged))
            # A changed letter of the kind shows only in the hash that the next frame holds.
            accused = number + (45 + 4 <= place < 45 + 4 + frame[48])
            reasons = " ".join(found.values())
            last = "the journal: ends without it" in reasons and accused == len(split(content))
            named = f"frame {accused} at" in reasons or f"frame {number} at" in reasons
            assert named or last, (position, found)
            position += 1


def test_any_removed_or_added_byte_fails_a_check_and_names_the_frame() -> None:
    content = written()
    position = 0
    for number, frame in enumerate(split(content)):
        for _ in frame:
            shorter = content[:position] + content[position + 1 :]
            for added in (b"\x00", b"\xff", content[position : position + 1]):
                longer = content[:position] + added + content[position:]
                for damaged in (shorter, longer):
                    reasons = " ".join(failures(damaged).values())
                    # Equal neighbours make the same file: the next frame is then the first bad.
                    assert f"frame {number} at" in reasons or f"frame {number + 1} at" in reasons
            position += 1


def test_bytes_after_the_seal_fail_the_structure() -> None:
    for extra in (b"\x00", b"\x00" * 4, b"junk and more junk"):
        assert "frame 6 at" in failures(written() + extra)["structure"]


def test_random_damage_to_a_longer_journal_is_always_found() -> None:
    dice, content = random.Random(20240607), written(256)
    for _ in range(150):
        damaged = bytearray(content)
        start = dice.randrange(len(content))
        match dice.randrange(3):
            case 0:
                damaged[start] ^= 1 << dice.randrange(8)
            case 1:
                del damaged[start : start + dice.randrange(1, 300)]
            case _:
                damaged[start:start] = dice.randbytes(dice.randrange(1, 300))
        assert not all(check.passed for check in verify(bytes(damaged)))


def test_swapped_dropped_or_doubled_frames_fail_the_sequence_and_name_the_place() -> None:
    frames = split(written())
    for number in range(1, 4):
        swapped, doubled = frames.copy(), frames.copy()
        swapped[number : number + 2] = reversed(swapped[number : number + 2])
        doubled.insert(number, frames[number])
        dropped = frames[:number] + frames[number + 1 :]
        for case, first in ((swapped, number), (dropped, number), (doubled, number + 1)):
            found = failures(b"".join(case))
            assert f"frame {first} at" in found["sequence"]


def test_renumbered_frames_after_a_dropped_one_fail_the_hash_chain() -> None:
    frames = split(written())
    kept = frames[:2] + [
        f[:4] + n.to_bytes(8, "little") + f[12:] for n, f in enumerate(frames[3:], 2)
    ]
    assert "frame 2 at" in failures(b"".join(kept))["hash chain"]


def test_tail_cut_at_every_length_fails() -> None:
    content = written()
    ends = {len(b"".join(split(content)[:count])) for count in range(1, 7)}
    for size in range(len(content)):
        found = failures(content[:size])
        assert ("seal" if size in ends else "structure") in found


def test_empty_journal_fails_the_structure_and_shows_nothing_else() -> None:
    assert failures(b"") == {"structure": "the journal: it is empty"}
    assert not any(check.passed for check in verify(b""))


def test_tail_of_a_fork_spliced_in_fails_the_hash_chain() -> None:
    ours, theirs = split(written(mark="a")), split(written(mark="b"))
    assert ours[:2] == theirs[:2]
    for cut in range(3, 6):
        found = failures(b"".join(ours[:cut] + theirs[cut:]))
        assert f"frame {cut} at" in found["hash chain"]


def test_whole_fork_passes_alone_and_fails_against_the_published_head() -> None:
    journal = Journal.in_memory({})
    head = journal.seal()
    assert failures(journal.content(), head.upper()) == {}
    assert failures(written()) == {}
    assert "not the one published" in failures(written(), head)["seal"]
    assert "seal" in failures(written(), "")


def test_changed_payload_with_a_mended_checksum_fails_the_hash_chain() -> None:
    frames = split(written())
    payload = frames[2][53:].replace(b"1001", b"1002")
    frames[2] = frames[2][:12] + crc32(payload).to_bytes(4, "little") + frames[2][16:53] + payload
    assert list(failures(b"".join(frames))) == ["hash chain"]


HEADER = ("header", b'{"durability":"fsync","format":"tidegate-journal/1"}')


def sealed(entries: list[tuple[str, bytes]], count: int | None = None, root: str = "") -> bytes:
    body = chained(entries)
    leaves = [sha256(f[4:12] + f[16:]).digest() for f in split(body)]
    level = [sha256(b"\x00" + leaf).digest() for leaf in leaves]
    assert len(level) in (1, 2)
    true_root = level[0] if len(level) == 1 else sha256(b"\x01" + level[0] + level[1]).digest()
    stated = len(entries) if count is None else count
    seal = f'{{"frames":{stated},"merkle_root":"{root or true_root.hex()}"}}'
    return chained([*entries, ("seal", seal.encode())])


def test_forged_seal_fails_its_own_check_and_a_true_one_passes() -> None:
    entries = [HEADER, ("fill", b"{}")]
    assert failures(sealed(entries)) == {}
    for forged in (sealed(entries, count=3), sealed(entries, root="00" * 32)):
        assert "it must be" in failures(forged)["seal"]
    twice = chained([HEADER, ("seal", b'{"frames":1,"merkle_root":"00"}'), ("fill", b"{}")])
    assert "it must be" in failures(twice)["seal"]
    wide = chained([HEADER, ("seal", b'{"frames":1,"merkle_root":"00","x":1}')])
    assert "seal" in failures(wide)


def test_frame_chained_on_behind_the_seal_fails_the_seal() -> None:
    content = sealed([HEADER])
    last = split(content)[-1]
    previous = sha256(last[4:12] + last[16:]).digest()
    more, _ = encode_frame(2, previous, kind_tag("fill"), b"{}")
    assert "after the seal" in failures(content + more)["seal"]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("fill", HEADER[1]),
        ("header", b"{}"),
        ("header", b'{"durability":"fsync","format":"tidegate-journal/3"}'),
        ("header", b'{"durability":"never","format":"tidegate-journal/1"}'),
        ("header", b'{"durability":["fsync"],"format":"tidegate-journal/1"}'),
    ],
)
def test_journal_without_a_known_header_fails_the_header(kind: str, payload: bytes) -> None:
    assert "frame 0 at" in failures(sealed([(kind, payload)]))["header"]


def test_second_header_fails_the_header() -> None:
    assert "frame 1 at" in failures(sealed([HEADER, HEADER]))["header"]


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1',
        b'{"a":"\xff"}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 200_000 + b"}",
        b'{"a":1} {}',
    ],
)
def test_payload_that_two_readers_could_read_differently_fails_the_structure(
    payload: bytes,
) -> None:
    found = failures(chained([HEADER, ("fill", payload)]))
    assert "frame 1 at" in found["structure"]


def test_length_that_promises_four_gigabytes_is_not_believed() -> None:
    content = b"\xff\xff\xff\xff" + written()
    assert "length 4294967295" in failures(content)["structure"]


def test_verifier_is_one_short_file_of_the_standard_library_alone() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 250
    roots = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            roots |= {name.name.split(".")[0] for name in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            roots.add(str(node.module).split(".")[0])
    assert roots <= sys.stdlib_module_names


def test_verifier_run_alone_exits_0_on_a_sound_and_1_on_a_damaged_journal(tmp_path: Path) -> None:
    content = written()
    (tmp_path / "good").write_bytes(content)
    (tmp_path / "bad").write_bytes(content[:-1] + b"x")
    good, bad = run(str(tmp_path / "good")), run(str(tmp_path / "good"), str(tmp_path / "bad"))
    assert (good.returncode, bad.returncode) == (0, 1)
    assert good.stdout.count("ok  ") == len(NAMES) == len(good.stdout.splitlines())
    assert "checksum: frame 5 at byte" in bad.stdout
    assert good.stderr == bad.stderr == ""


def test_verifier_run_alone_compares_with_the_published_head(tmp_path: Path) -> None:
    journal = Journal.in_memory({})
    head = journal.seal()
    (tmp_path / "j").write_bytes(journal.content())
    assert run("--head", head, str(tmp_path / "j")).returncode == 0
    assert run("--head", "0" * 64, str(tmp_path / "j")).returncode == 1
    assert run("--head", "", str(tmp_path / "j")).returncode == 1


def test_verifier_misused_exits_2_and_says_why(tmp_path: Path) -> None:
    assert run().returncode == 2
    missing = run(str(tmp_path / "none"))
    assert missing.returncode == 2
    assert "No such file" in missing.stderr
    assert missing.stderr.count("\n") == 1
    assert run(str(tmp_path)).returncode == 2
