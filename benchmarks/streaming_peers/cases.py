"""All that is compared: in the order in which `--quick` would rather have them, where it has no time for all."""

from streaming_peers import Case, arrays, graph, ours, plain

TENSORFLOW, ENGINE = ("tensorflow",), ("helpers.data.chesapeake", "helpers.data.streaming")

CASES = [
    Case("npz", ours.npz, ENGINE, quick=3),
    Case("npz_compact", ours.npz_compact, ENGINE, quick=3),
    Case("ou", graph.ou_style, TENSORFLOW, quick=2),
    Case("inflate", ours.inflate, ("imagecodecs",), quick=2, limit=True),
    Case("packed", ours.packed, ENGINE, quick=3, packed=True),
    Case("packed_compact", ours.packed_compact, ENGINE, quick=3, packed=True),
    Case("packed_zstd_compact", ours.packed_zstd_compact, ENGINE, quick=3, packed=True),
    Case("tf_libdeflate", graph.tf_libdeflate, (*TENSORFLOW, "imagecodecs"), quick=2),
    Case("memmap_compact", arrays.memmap_compact, ENGINE, arrays.write_memmap, quick=3, packed=True),
    Case("torch", plain.torch, ("torch.utils.data",), quick=2),
    Case("pydataset", plain.pydataset_threads, ("tensorflow", "keras"), quick=2),
    Case("copy", ours.copy, quick=2, limit=True),
    Case("npz_dataset", ours.npz_dataset, (*ENGINE, "tensorflow")),
    Case("pydataset_processes", plain.pydataset_processes, ("tensorflow", "keras")),
    Case("grain", plain.grain_threads, ("grain",)),
    Case("grain_processes", plain.grain_processes, ("grain",)),
    Case("naive", plain.naive),
    Case("spdl", plain.spdl, ("spdl.io", "spdl.pipeline")),
    Case("torch_libdeflate", plain.torch_libdeflate, ("torch.utils.data", "imagecodecs")),
    Case(
        "tfrecord_compact",
        graph.tfrecord_compact,
        (*ENGINE, *TENSORFLOW),
        graph.write_tfrecord_compact,
        quick=3,
        packed=True,
    ),
    Case("tfrecord", graph.tfrecord, TENSORFLOW, graph.write_tfrecord),
    Case("tfrecord_gzip", graph.tfrecord_gzip, TENSORFLOW, graph.write_tfrecord_gzip),
    Case("zarr", arrays.read_zarr, ("zarr",), arrays.write_zarr),
    Case("hdf5", arrays.read_hdf5, ("h5py",), arrays.write_hdf5),
]
