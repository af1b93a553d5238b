"""Patches are copied to a local disk, and read there as where it came from."""

from pathlib import Path

import pytest
from chesapeake_patches import batch, make_patch, paths, write

from helpers.data import DataError, packing, stand_in


@pytest.mark.slow
@pytest.mark.parametrize("is_packed", [False, True])
def test_patches_are_staged_and_read(original, is_packed, tmp_path):
    source = original
    if is_packed:
        source = tmp_path / "packed/pa"
        packing.pack(original, source, progress=False)
    staged = packing.stage(source, tmp_path / "scratch", ou_folder="F1", progress=False)
    assert staged == tmp_path / "scratch" / source.name
    assert len(paths(staged)) == 8 and paths(staged, ou_folder="F1") == paths(staged)
    before, after = (batch(paths(folder, ou_folder="F1")) for folder in (source, staged))
    assert all(one.tobytes() == other.tobytes() for one, other in zip(before, after, strict=True))


def test_staging_goes_on_where_it_was(original, tmp_path):
    staged = packing.stage(original, tmp_path, progress=False)
    first, second, *_ = map(Path, paths(staged))
    first.write_bytes(b"cut off")
    second_time = second.stat().st_mtime_ns
    packing.stage(original, tmp_path, progress=False)
    assert first.stat().st_size == second.stat().st_size and second.stat().st_mtime_ns == second_time
    with pytest.raises(DataError, match="copied onto itself"):
        packing.stage(staged, tmp_path, progress=False)


def test_a_shard_that_was_packed_anew_is_staged_anew(original, tmp_path):
    """Shards that are not compressed keep their length when only values change."""
    source, scratch = tmp_path / "packed/pa", tmp_path / "scratch"
    packing.pack(original, source, progress=False)
    staged = packing.stage(source, scratch, progress=False)
    shard = next(source.rglob("*.pack"))
    raw = bytearray(shard.read_bytes())
    raw[-100] ^= 1
    shard.write_bytes(raw)
    packing.stage(source, scratch, progress=False)
    assert (staged / shard.relative_to(source)).read_bytes() == raw


def test_patches_of_two_sources_are_not_mixed(original, tmp_path):
    write(tmp_path / "one/pa/train", ["a-0.npz"], make_patch(1))
    write(tmp_path / "two/pa/train", ["b-0.npz"], make_patch(2))
    staged = packing.stage(tmp_path / "one/pa", tmp_path / "scratch", progress=False)
    with pytest.raises(DataError, match=r"a-0\.npz is no copy from .*two/pa\. Choose another folder"):
        packing.stage(tmp_path / "two/pa", tmp_path / "scratch", progress=False)
    assert [Path(path).name for path in paths(staged)] == ["a-0.npz"]
    first, second = (
        packing.stage(original, tmp_path / "folds", ou_folder=f"F{fold}", progress=False) for fold in (0, 1)
    )
    assert first == second and len(paths(second)) == 16, "another folder of one source may come to it"


def test_a_link_to_nothing_is_named(tmp_path):
    write(tmp_path / "in/train", ["a-0.npz"], make_patch(1))
    (tmp_path / "in/train/a-1.npz").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"a-1\.npz cannot be copied: No such file"):
        packing.stage(tmp_path / "in", tmp_path / "scratch", progress=False)


def test_scratch_is_found_or_asked_for(tmp_path):
    local = {"LSCRATCH": str(tmp_path / "gone"), "TMPDIR": str(tmp_path)}
    assert packing.scratch_folder(local) == tmp_path
    with pytest.raises(DataError, match="LSCRATCH, SLURM_TMPDIR, TMPDIR"):
        packing.scratch_folder({})


def test_copies_of_a_stand_in_say_so(tmp_path):
    write(tmp_path / "in/train", ["a-0.npz"], make_patch(1))
    stand_in.mark(tmp_path / "in", {"seed": 0})
    packing.pack(tmp_path / "in", tmp_path / "out", progress=False)
    staged = packing.stage(tmp_path / "out", tmp_path / "scratch", progress=False)
    assert stand_in.is_stand_in(tmp_path / "out") and stand_in.is_stand_in(staged / "train")
