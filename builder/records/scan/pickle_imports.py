"""What it means that a pickle imports a name: that it runs code, that it is known to be data, or neither. Pure."""

from __future__ import annotations

import re
from typing import Literal

from builder.records.scan.pickle_values import EXTENSION, HIDDEN, Import

Judgement = Literal["safe", "unknown", "dangerous", "hidden"]

_MODULES = """
    _aix_support _bootsubprocess _ctypes _frozen_importlib _io _operator _osx_support _pickle _posixsubprocess _pyrepl
    _testcapi _thread aiohttp ast asyncio atexit bdb boto3 bottle builtins cProfile cffi cgi cloudpickle code codecs
    codeop commands compileall concurrent ctypes curses dill distutils django doctest ensurepip faulthandler fabric
    fileinput flask fsspec ftplib gc getpass git glob h11 http httpcore httplib httpx idlelib imaplib imp importlib
    inspect io ipykernel IPython jsonpickle lib2to3 linecache logging mailbox marshal mmap modulefinder msvcrt
    multiprocess multiprocessing nntplib nt ntpath numba operator os paramiko pathlib pdb pexpect pickle pickletools
    pip pipes pkg_resources pkgutil plistlib popen2 poplib posix posixpath profile pstats psutil ptyprocess pty pydoc
    py_compile
    readline requests resource rlcompleter runpy sched select selectors setuptools sh shelve shlex shutil signal site
    sitecustomize smtpd smtplib socket socketserver sqlite3 ssl subprocess sympy sys sysconfig syslog tarfile telnetlib
    tempfile test this threading timeit tkinter trace tracemalloc ttyutil turtledemo types unittest urllib urllib2
    urllib3 usercustomize uu uuid venv webbrowser winreg wsgiref xmlrpc yaml zipapp zipfile zipimport zmq
"""
_DANGEROUS_MODULES = frozenset(_MODULES.split())
"""Modules, with all that is in them, that reach out of the data, but for the names that are known to be safe."""

_DANGEROUS_INSIDE = (
    "numpy.distutils", "numpy.f2py", "numpy.testing", "numpy.ctypeslib", "numpy.lib.npyio", "numpy.lib._npyio_impl",
    "torch.distributed", "torch.hub", "torch.jit", "torch.utils", "torch._dynamo", "torch._inductor", "torch.fx",
    "torch.package", "torch.serialization", "torch.multiprocessing", "torch.testing", "torch._ops", "torch.ops",
    "torch.onnx", "torch._functorch", "torch.library", "pandas.io", "pandas.core.computation",
    "scipy._lib", "scipy.io", "sklearn.datasets", "joblib.externals", "joblib.memory",
    "tensorflow.python.framework.load_library", "keras.src.utils", "keras.utils", "xgboost.spark", "logging.config",
)  # fmt: skip
"""Parts of libraries that load, run or fetch something."""

_NAMES = """
    system popen Popen exec eval execfile compile __import__ import_module getattr setattr delattr globals locals vars
    open input breakpoint run check_output check_call call spawn spawnl spawnv spawnvp fork execv execve execl execvp
    remove unlink rmtree rename removedirs chmod loads load load_library loadtxt fromfile read_pickle read_csv
    runstring exec_command attrgetter methodcaller __class__ __subclasses__ __globals__ __builtins__ __reduce__
    __getattribute__ __dict__ __bases__ __mro__ __code__ __loader__ __spec__ FunctionType CodeType LambdaType
    load_from_bytes _load_from_bytes urlopen urlretrieve startfile create_connection
"""
_DANGEROUS_NAMES = frozenset(_NAMES.split())
"""Names that are dangerous wherever they come from, also as a part: `numpy` and `os.system`."""

_SAFE = {
    "builtins": "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple type "
    "Ellipsis NotImplemented Exception ValueError KeyError TypeError IndexError RuntimeError AttributeError",
    "collections": "OrderedDict defaultdict deque Counter ChainMap UserDict UserList",
    "copyreg": "_reconstructor __newobj__ __newobj_ex__",
    "_codecs": "encode",
    "datetime": "datetime date time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID SafeUUID",
    "pathlib": "Path PosixPath PurePath PurePosixPath WindowsPath PureWindowsPath",
    "types": "SimpleNamespace",
    "argparse": "Namespace",
    "random": "Random",
    "re": "_compile",
    "zoneinfo": "ZoneInfo ZoneInfo._unpickle",
    "numpy": "dtype ndarray bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 "
    "longdouble complex64 complex128 str_ bytes_ object_ void datetime64 timedelta64 intc uintc longlong ulonglong "
    "matrix recarray "
    "record generic number integer floating",
    "numpy.core.multiarray": "_reconstruct scalar",
    "numpy._core.multiarray": "_reconstruct scalar",
    "numpy.core.numeric": "_frombuffer",
    "numpy._core.numeric": "_frombuffer",
    "numpy.core.records": "recarray record",
    "numpy.rec": "recarray record",
    "numpy.ma.core": "_mareconstruct MaskedArray",
    "numpy.matrixlib.defmatrix": "matrix",
    "numpy.core._internal": "_reconstruct",
    "numpy.ma": "_mareconstruct MaskedArray",
    "numpy.random._pickle": "__randomstate_ctor __generator_ctor __bit_generator_ctor",
    "numpy.dtypes": "",
    "joblib.numpy_pickle": "NumpyArrayWrapper",
    "sklearn.externals.joblib.numpy_pickle": "NumpyArrayWrapper",
    "scipy.sparse": "csr_matrix csc_matrix coo_matrix csr_array csc_array coo_array lil_matrix dok_matrix bsr_matrix",
    "pandas._libs.internals": "_unpickle_block",
    "pandas.core.internals.blocks": "new_block",
    "pandas.core.indexes.base": "_new_Index Index",
    "pandas.core.indexes.datetimes": "_new_DatetimeIndex DatetimeIndex",
    "pandas._libs.tslibs.timestamps": "_unpickle_timestamp Timestamp",
    "pandas._libs.tslibs.timedeltas": "_timedelta_unpickle Timedelta",
    "pandas._libs.tslibs.nattype": "_nat_unpickle",
    "torch": "Size device dtype Tensor Generator float32 float16 bfloat16 float64 int8 int16 int32 int64 uint8 bool "
    "complex64 complex128 strided sparse_coo sparse_csr FloatStorage DoubleStorage HalfStorage BFloat16Storage "
    "LongStorage IntStorage ShortStorage CharStorage ByteStorage BoolStorage ComplexFloatStorage ComplexDoubleStorage",
    "torch._utils": "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter "
    "_rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor _rebuild_sparse_csr_tensor "
    "_rebuild_meta_tensor_no_storage _rebuild_device_tensor_from_numpy",
    "torch._tensor": "_rebuild_from_type_v2 Tensor",
    "torch.storage": "UntypedStorage TypedStorage",
    "torch.nn.parameter": "Parameter",
    "torch.serialization": "_get_layout",
    "torch.jit._pickle": "build_intlist build_tensorlist build_doublelist build_boollist build_tensor_from_id",
    "sklearn.utils._bunch": "Bunch",
    "sklearn.metrics._dist_metrics": "newObj",
    "sklearn.neighbors._kd_tree": "newObj",
    "sklearn.neighbors._ball_tree": "newObj",
}
_SAFE_NAMES = frozenset(Import(module, name) for module, names in _SAFE.items() for name in names.split())

_SAFE_LIBRARIES = frozenset(
    (
        "sklearn",
        "xgboost",
        "lightgbm",
        "catboost",
        "torch",
        "torchvision",
        "scipy",
        "numpy",
        "pandas",
        "statsmodels",
        "imblearn",
    )
)
"""Libraries whose classes are taken to be data; what is a function of theirs is not."""
_CLASS = re.compile(
    r"_{0,2}[A-Z][A-Za-z0-9]{1,80}(?:_gen|_frozen)?|__pyx_unpickle_[A-Za-z0-9_]{1,80}|[a-z]{1,20}_(?:gen|frozen|matrix|array)"
)


def judge(found: Import) -> Judgement:
    """What an import of a pickle means."""
    if found == HIDDEN:
        return "hidden"
    if found == EXTENSION:
        return "unknown"
    plain = modern(found)
    if plain in _SAFE_NAMES:
        return "safe"
    top = plain.module.partition(".")[0]
    parts = plain.name.split(".")
    if top in _DANGEROUS_MODULES or _reaches_out(plain, parts):
        return "dangerous"
    if top == "__torch__":  # of TorchScript: classes that the archive itself declares
        return "safe"
    is_class = len(parts) == 1 and _CLASS.fullmatch(parts[0]) is not None
    return "safe" if top in _SAFE_LIBRARIES and is_class else "unknown"


def modern(found: Import) -> Import:
    """The name of Python 3 for one of Python 2, as the loader maps them."""
    from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

    module, name = NAME_MAPPING.get((found.module, found.name), (found.module, found.name))
    return Import(IMPORT_MAPPING.get(module, module), name)


def _reaches_out(found: Import, parts: list[str]) -> bool:
    inside = any(found.module == part or found.module.startswith(f"{part}.") for part in _DANGEROUS_INSIDE)
    through = len(parts) > 1 and any(part in _DANGEROUS_MODULES for part in parts)
    return inside or through or any(part in _DANGEROUS_NAMES for part in parts)
