"""What is said when several platforms cannot be resolved."""

from builder.errors import EnvbuildError
from builder.lock.make import _joined
from builder.oci.documents import Platform

AMD64, ARM64 = Platform("amd64"), Platform("arm64")


def test_one_cause_is_told_once_for_all_platforms() -> None:
    error = _joined({p: EnvbuildError(f"no packages for {p}", "the index is down") for p in (AMD64, ARM64)})
    assert error.what == "no packages for linux/amd64 and linux/arm64"
    assert error.why == ("the index is down",)


def test_each_cause_of_its_own_is_told() -> None:
    error = _joined({AMD64: EnvbuildError("a", "1", "x"), ARM64: EnvbuildError("b", "2", "y")})
    assert error.why == ("a", "1", "b", "2")
    assert error.hint == "x; y"
