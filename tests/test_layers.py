"""The rooms of the package, from the ground up: a module imports from its own room and from those below."""

import ast
from functools import cache
from pathlib import Path

import pytest

import faster_diffusion

PACKAGE = Path(faster_diffusion.__file__).parent

# A row knows the rows before it. Rooms of one row do not know each other.
FLOORS = (
    ("files",),  # how files are written; knows nothing of ours
    ("models",),  # all that is known of diffusers' classes
    ("options",),  # what a user chooses
    ("engine",),  # one sampling run
    ("accounting",),  # what a run did, and what it costs
    ("api",),
    ("compat",),
    ("",),  # `import faster_diffusion`
    ("demo", "tasks"),
    ("measuring",),
    ("generation",),
    ("arms",),
    ("benchmark", "evaluation", "tuning", "analysis"),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
PATHS = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> tuple[str, ...]:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def room_of(module: tuple[str, ...]) -> str:
    return module[0] if module else ""


MODULES = {name_of(path) for path in PATHS}


@cache
def imports(path: Path) -> frozenset[tuple[str, ...]]:
    """The modules of ours that a module imports, wherever in it, but for types alone."""
    here, found = name_of(path), set()
    package = here if path.name == "__init__.py" else here[:-1]
    tree = ast.parse(path.read_text())
    for_types = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    ignored = {id(inner) for node in for_types for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in ignored:
            continue
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else None
            target = tuple(node.module.split(".")) if node.module else ()
            if base is None and target[:1] != ("faster_diffusion",):
                continue
            whole = target[1:] if base is None else (*base, *target)
            found |= {(*whole, alias.name) if (*whole, alias.name) in MODULES else whole for alias in node.names}
        elif isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
            found |= {name[1:] for name in names if name[0] == "faster_diffusion"}
    return frozenset(found)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: "/".join(name_of(path)) or "faster_diffusion")
def test_imports_run_one_way(path):
    room = room_of(name_of(path))
    others = {room_of(module) for module in imports(path)} - {room}
    assert {other for other in others if FLOOR[other] >= FLOOR[room]} == set()


def test_every_room_has_a_floor_and_every_floor_a_room():
    rooms = {room_of(name_of(path)) for path in PATHS}
    assert rooms == set(FLOOR)


def test_there_are_faces_alone_at_the_root():
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "api.py", "compat.py", "files.py"}


def test_no_modules_import_each_other_in_a_circle():
    graph = {name_of(path): imports(path) for path in PATHS}
    done: set[tuple[str, ...]] = set()

    def walk(module: tuple[str, ...], path: list[tuple[str, ...]]) -> None:
        if module in path:
            circle = [*path[path.index(module) :], module]
            raise AssertionError(" -> ".join(".".join(step) or "faster_diffusion" for step in circle))
        if module not in done:
            for other in sorted(graph.get(module, ())):
                walk(other, [*path, module])
            done.add(module)

    for module in graph:
        walk(module, [])


CORE = ("models", "options", "engine", "accounting")


@pytest.mark.parametrize(
    "path", [path for path in PATHS if room_of(name_of(path)) in (*CORE, "api")], ids=lambda path: path.stem
)
def test_files_and_functions_of_the_core_are_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 50, node.name


def test_a_room_has_one_floor():
    assert len(FLOOR) == sum(map(len, FLOORS))


ROOT = PACKAGE.parent.parent
BESIDE = {  # folders beside the package, and which of the others they may import
    "specimens": set(),
    "recipes": {"specimens"},
    "reproduce": {"specimens"},
    "tests": {"specimens", "recipes", "reproduce"},  # of which each has tests
    "examples": set(),
}


@pytest.mark.parametrize("folder", BESIDE)
def test_folders_beside_the_package_import_no_others_but_what_they_have_in_common(folder):
    for path in (ROOT / folder).rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        names = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
        names += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        others = {name.partition(".")[0] for name in names} & BESIDE.keys() - {folder}
        assert others <= BESIDE[folder], path
