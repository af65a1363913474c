"""How a command fails."""


def fails(result, *fragments):
    """Asserts a failure told in one line that contains all `fragments`."""
    lines = result.stderr.strip().splitlines()
    assert result.exit_code in (1, 2)
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    for fragment in fragments:
        assert fragment in lines[0]
