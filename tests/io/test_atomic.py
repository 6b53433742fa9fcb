"""Files that are replaced as a whole. Disks without room are in ``tests/faults``."""

import os
import stat

import pytest

from skadaptive._io.atomic import replace_atomically


@pytest.mark.skipif(os.name != "posix", reason="no such permissions here")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_permissions_are_those_of_a_new_file(umask, tmp_path):
    before = os.umask(umask)
    try:
        (tmp_path / "plain").touch()
        with replace_atomically(tmp_path / "made") as temporary:
            temporary.write_text("it")
            assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode for name in ("plain", "made")]
    assert modes[0] == modes[1]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "made"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replace_atomically(path) as temporary:
        temporary.write_text("half")
        1 / 0  # noqa: B018
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["made"]
    with replace_atomically(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["made"]
