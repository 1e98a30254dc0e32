"""`harness spaces`: the built-in search spaces, and the guide's settings."""

from typing import Annotated

import typer

from harness.errors import as_user_input_error


def spaces(
    space: Annotated[
        str | None, typer.Argument(help="A space by name, or a YAML file: print and check it.")
    ] = None,
) -> None:
    """List the spaces and the guide's settings, or print one space.

    What it prints is YAML, to copy and edit.

    Example: harness spaces default > my_space.yaml
    """
    from harness.config.profiles import QUICK
    from search_spaces.recipes import generator_for, read_recipes
    from search_spaces.space import BUILT_IN, load_space, space_text

    if space is not None:
        with as_user_input_error(ValueError):
            load_space(space)
        print(space_text(space), end="")
        return
    known = {name: load_space(name) for name in BUILT_IN}
    for name, found in known.items():
        print(f"{name}: {found.description}")
        for setting, entry in found.parameters.items():
            print(f"  {setting:<18} {entry.describe()}")
        print()
    print("The guide's settings, and one that is not, run first where the space holds them:")
    for name, recipe in read_recipes().items():
        holding = ", ".join(
            each
            for each, found in known.items()
            if found.contains(recipe.params) and generator_for(recipe, found, QUICK.netG)
        )
        print(f"  {name:<12} {recipe.description} (in {holding})")
