"""What is told of a model's files, as the formats' own libraries write them."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path

import gguf
import joblib
import numpy as np
import onnx
import pytest
import safetensors.numpy
from onnx import TensorProto, helper

from builder.records.model_formats import ModelFile, recognise


def told(data: bytes, path: str = "model.bin") -> ModelFile:
    return recognise(io.BytesIO(data), path, len(data))


def test_safetensors_tells_parameters_precision_and_metadata() -> None:
    tensors = {"a": np.zeros((3, 4), np.float16), "b": np.zeros(5, np.float32), "scalar": np.zeros((), np.float16)}
    found = told(safetensors.numpy.save(tensors, {"format": "pt"}), "model.safetensors")
    assert (found.format, found.parameters, found.precision) == ("safetensors", 18, "float16,float32")
    assert found.details == {"tensors": 3, "metadata": {"format": "pt"}}


def test_safetensors_is_told_by_its_bytes_where_the_name_does_not() -> None:
    assert told(safetensors.numpy.save({"a": np.zeros(2, np.int8)}), "weights").format == "safetensors"


def test_gguf_tells_architecture_and_quantisation(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "tiny.gguf", "llama")
    writer.add_name("tiny")
    writer.add_token_list(["a", "b", "c"])
    writer.add_token_scores([0.5, 0.25, 0.125])
    writer.add_tensor("x", np.zeros((4, 32), np.float32))
    quantised = gguf.quants.quantize(np.zeros((8, 256), np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("y", quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = told((tmp_path / "tiny.gguf").read_bytes(), "whatever")
    assert (found.format, found.parameters, found.precision) == ("gguf", 4 * 32 + 8 * 256, "q8_0,float32")
    assert found.details["architecture"] == "llama"
    assert found.details["name"] == "tiny"
    assert found.details["tensors"] == 2


def _onnx_model() -> bytes:
    weights = helper.make_tensor("w", TensorProto.FLOAT, [2, 3], [0.0] * 6)
    shape = helper.make_tensor("s", TensorProto.INT64, [1], [3])
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])], [weights, shape],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="maker", producer_version="1.2")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def test_onnx_tells_operators_producer_and_parameters() -> None:
    found = told(_onnx_model(), "model.onnx")
    assert (found.format, found.parameters, found.precision) == ("onnx", 7, "float32,int64")
    assert found.details["opsets"] == {"ai.onnx": 17, "ai.onnx.ml": 3}
    assert found.details["producer"] == "maker 1.2"
    assert (found.details["nodes"], found.details["tensors"]) == (1, 2)


def _torch(names: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_torch_is_told_by_the_names_in_its_archive() -> None:
    files = {
        "model/data.pkl": b"\x80\x02}.",
        "model/version": b"3\n",
        "model/data/0": bytes(8),
        "model/data/1": bytes(4),
    }
    found = told(_torch(files), "model.bin")
    assert (found.format, found.runs_code, found.parameters) == ("pt", True, None)
    assert found.details == {"tensors": 2, "bytes of tensors": 12, "torchscript": False}
    assert told(_torch({**files, "model/code/__torch__.py": b""})).details["torchscript"] is True


def test_torch_of_the_first_form_is_told_by_its_magic_number() -> None:
    assert told(pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2), "old.pth").format == "pt"


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_tells_its_protocol_alone(protocol: int) -> None:
    found = told(pickle.dumps({"a": [1, 2]}, protocol=protocol), "anything")
    assert (found.format, found.details, found.runs_code) == ("pickle", {"protocol": protocol}, True)


def test_a_pickle_of_the_first_protocols_is_told_by_its_name() -> None:
    assert told(pickle.dumps({"a": 1}, protocol=0), "model.pkl").details == {"protocol": "0 or 1"}


@pytest.mark.parametrize(("compress", "how"), [(0, None), (("zlib", 3), "zlib"), (("gzip", 3), "gzip")])
def test_joblib_is_told_compressed_or_not(tmp_path: Path, compress: object, how: str | None) -> None:
    joblib.dump({"w": np.zeros(10)}, tmp_path / "model.joblib", compress=compress)
    found = told((tmp_path / "model.joblib").read_bytes(), "model.joblib")
    assert (found.format, found.details.get("compression")) == ("joblib", how)


def test_no_pickle_is_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[Path]]:
            return Path.touch, (tmp_path / "loaded",)

    trap = pickle.dumps(Trap())
    for name in ("model.pkl", "model.joblib", "model.pt", "model"):
        told(trap, name)
    told(_torch({"m/data.pkl": trap, "m/version": b"3"}))
    assert not (tmp_path / "loaded").exists()


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"\x00" * 100, b"hello", _torch({"a.txt": b"x"})],
    ids=["empty", "json", "zeros", "text", "zip"],  # the bytes of a zip tell the time
)
def test_what_is_not_recognised_is_of_an_unknown_format(data: bytes) -> None:
    found = told(data, "config.json")
    assert (found.format, found.parameters, found.problem) == ("unknown", None, "")


def test_what_is_known_goes_into_json_and_nothing_else() -> None:
    assert told(b"x", "a/README").to_dict() == {"path": "a/README", "format": "unknown", "size": 1}
    assert told(struct.pack("<Q", 2) + b"{}", "m.safetensors").to_dict() == {
        "path": "m.safetensors", "format": "safetensors", "size": 10, "parameters": 0, "details": {"tensors": 0},
    }  # fmt: skip


def test_an_unbuffered_file_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(2, np.int8)}))
    with path.open("rb", buffering=0) as file:
        assert recognise(file, path.name, path.stat().st_size).parameters == 2
        assert not file.closed
