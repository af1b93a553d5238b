"""The files that the benchmark reads: the stand-in or the real patches, and packed copies of them."""

import os
import shutil
import tempfile
import zlib
from pathlib import Path

from helpers.data import synthetic

KEEP = Path(tempfile.gettempdir()) / "course-streaming-benchmark"


def stand_in_patches(count: int) -> list[Path]:
    """Give patches of the stand-in; they stay in the system's folder for temporary files until the stand-in changes."""
    programs = sorted(Path(synthetic.__file__).parent.glob("*.py"))
    version = zlib.crc32(b"".join(program.read_bytes() for program in programs))
    return synthetic.make_patches(KEEP / f"{version:08x}-{count}", count, per_tile=16)


def real_patches(folder: Path, count: int) -> list[Path]:
    """Copy the real patches under as many names as wanted."""
    for base in os.environ.get("COURSE_DATA", "").split(os.pathsep):
        found = sorted(Path(base).rglob("wv_1m_2014-*.npz")) if base else []
        if found:
            break
    else:
        raise SystemExit("--real: no folder in COURSE_DATA holds the real patches (wv_1m_2014-*.npz).")
    folder.mkdir(parents=True, exist_ok=True)
    names = [folder / f"{found[at % len(found)].stem.rpartition('-')[0]}-{at}.npz" for at in range(count)]
    for at, name in enumerate(names):
        shutil.copyfile(found[at % len(found)], name)
    return names


def pack_copies(source: Path, scratch: Path) -> list[str]:
    """Pack the patches, plain and with zstd; return why not, if that fails."""
    try:
        from helpers.data.packing import pack
    except ImportError:
        return ["packed cases left out: helpers.data.packing is not there."]
    kept = pack(source, scratch / "packed").originals
    pack(source, scratch / "packed_zstd", compression="zstd")
    return [f"{kept} patches do not fit the packed form, which keeps them as .npz."] * bool(kept)


def bytes_ratio(packed: Path, files: list[str]) -> float | None:
    """Compare the bytes of a packed folder with those of the original files; None where nothing was packed."""
    sizes = [file.stat().st_size for file in packed.rglob("*") if file.is_file()]
    return round(sum(sizes) / sum(Path(file).stat().st_size for file in files), 3) if sizes else None
