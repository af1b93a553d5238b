"""`./course data pack` and `stage`, as a student types them."""

import pytest
from chesapeake_patches import batch, make_patch, paths, write

from helpers import cli


@pytest.mark.slow
def test_pack_tells_what_it_made_and_what_it_left_out(original, tmp_path, capsys):
    assert cli.main(["data", "pack", str(original), str(tmp_path / "out"), "--zstd"]) == 0
    assert "16 patches packed" in capsys.readouterr().out
    assert cli.main(["data", "pack", str(original), str(tmp_path / "out"), "--zstd"]) == 0
    assert "4 shards were there already" in capsys.readouterr().out
    assert [part.tobytes() for part in batch(paths(tmp_path / "out"))] == [
        part.tobytes() for part in batch(paths(original))
    ]


def test_pack_stops_at_a_broken_patch_unless_told_otherwise(tmp_path, capsys):
    write(tmp_path / "in", ["a-0.npz"], make_patch(0))
    (tmp_path / "in/a-1.npz").write_text("no zip")
    assert cli.main(["data", "pack", str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    assert "a-1.npz: has no end of a zip archive" in capsys.readouterr().err
    assert cli.main(["data", "pack", str(tmp_path / "in"), str(tmp_path / "out"), "--skip-broken"]) == 1
    told = capsys.readouterr()
    assert "1 patch packed" in told.out and "left out: " in told.err and "a-1.npz" in told.err
    assert cli.main(["data", "pack", str(tmp_path / "in"), str(tmp_path / "in/packed")]) == 1
    assert "lie in one another" in capsys.readouterr().err


def test_stage_prints_the_folder_and_nothing_else(original, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LSCRATCH", str(tmp_path))
    assert cli.main(["data", "stage", str(original), "--ou-folder", "F1"]) == 0
    staged = capsys.readouterr().out.removesuffix("\n")
    assert staged == str(tmp_path / original.name) and len(paths(staged)) == 8
    for variable in ("LSCRATCH", "SLURM_TMPDIR", "TMPDIR"):
        monkeypatch.setenv(variable, str(tmp_path / "gone"))
    assert cli.main(["data", "stage", str(original)]) == 1
    assert "--to DIR" in capsys.readouterr().err
