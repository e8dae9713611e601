"""Checks launch/recipes/schema.json and the recipes beside it with a JSON Schema validator.

    recipes.py

The schema is valid, every recipe meets it, and entries that `lockstep recipe` refuses it refuses too.
"""

import json
import pathlib

import jsonschema
import yaml

RECIPES = pathlib.Path(__file__).resolve().parents[2] / "launch" / "recipes"
WRONG = [
    {"epochs": "many"}, {"epochs": 1.5}, {"seed": -1}, {"schedule": "steep"}, {"metric": "f2"},
    {"evaluate-every": 0}, {"evaluate-every": "often"}, {"time-limit": "soon"}, {"max-shard-size": "big"},
    {"learning_rate": 1e-5}, {"recipe": "other.yaml"}, {"dry-run": True}, {"keep": None}, [],
]
RIGHT = [
    {"evaluate-every": "epoch", "save-every": 20}, {"time-limit": "01:30:00"}, {"time-limit": 90},
    {"time-limit": "1-00:00:00"}, {"max-shard-size": "500MB"}, {"evaluation-ranks": 1}, {}, {"learning-rate": 1},
]


def main():
    schema = json.loads((RECIPES / "schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    check = validator(schema)
    recipes = sorted(RECIPES.glob("*.yaml"))
    assert recipes, f"{RECIPES}: no recipe"
    for recipe in recipes:
        text = recipe.read_text(encoding="utf-8")
        assert text.startswith("# yaml-language-server: $schema=schema.json\n"), recipe
        check.validate(yaml.safe_load(text))
    for wrong in WRONG:
        assert not check.is_valid(wrong), f"taken: {wrong}"
    for right in RIGHT:
        check.validate(right)
    print(f"{len(recipes)} recipes meet the schema; {len(WRONG)} wrong ones are refused")


if __name__ == "__main__":
    main()
