"""What images say of themselves."""

from __future__ import annotations

from made_locks import AMD64
from made_plans import made_lock

from builder.image.config import bundle_config, environment_config
from builder.plan import make_plan


def test_an_environment_says_its_lock_and_its_base_and_nothing_that_is_not_locked() -> None:
    lock = made_lock()
    config = environment_config(make_plan(lock, AMD64), ())
    assert config.labels == {
        "dev.envbuild.lock": str(lock.digest),
        "org.opencontainers.image.base.name": "debian:bookworm",
    }


def test_a_bundle_says_its_name_too() -> None:
    environment = environment_config(make_plan(made_lock(), AMD64), ())
    labels = {"org.opencontainers.image.title": "churn", "org.opencontainers.image.version": "1.0"}
    assert bundle_config(environment, (), labels, {}, ()).labels == environment.labels | labels
