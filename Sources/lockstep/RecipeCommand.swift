import ArgumentParser
import Encoders
import Foundation

struct RecipeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recipe",
    abstract: "Checks recipes, the YAML files of train --recipe.",
    discussion: """
      Names, values and their ranges are checked as train checks them; nothing else is read. --schema prints \
      a JSON Schema of recipes, by which an editor completes and checks them.
      """)

  @Argument(help: "Recipes.", completion: .file(extensions: ["yaml", "yml"]))
  var files: [String] = []
  @Flag(help: "Print the JSON Schema of recipes.")
  var schema = false
  @Option(help: "Form of the result on standard output.")
  var format = OutputFormat.text

  func validate() throws {
    guard schema == files.isEmpty else {
      throw ValidationError(schema ? "--schema: there are files too" : "expected a recipe's path")
    }
  }

  func run() throws {
    if schema { return try printSchema() }
    for file in files {
      let recipe = try Recipe(path: file)
      try recipe.checkRanges()
      switch format {
      case .text:
        let count = recipe.entries.count
        print("\(file): \(count) \(count == 1 ? "flag" : "flags"), all good")
      case .json:
        let flags = recipe.entries.map { ($0.flag.name, $0.value) }
        try printJSON(
          Checked(recipe: file, flags: Dictionary(flags, uniquingKeysWith: { $1 })))
      }
    }
  }

  private struct Checked: Encodable {
    let recipe: String
    let flags: [String: String]
  }

  private func printSchema() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(recipeSchema()), as: UTF8.self))
  }
}

/// The JSON Schema of recipes, of what the parser knows of `train`.
private func recipeSchema() throws -> JSONValue {
  let properties = try TrainFlag.all().map { flag in
    var schema = flag.form.schema
    schema["description"] = .string(
      flag.help + (flag.defaultValue.map { " (default: \($0))" } ?? ""))
    return (flag.name, JSONValue.object(schema))
  }
  return .object([
    "$schema": .string("https://json-schema.org/draft/2020-12/schema"),
    "title": .string("Recipe of lockstep train"),
    "description": .string(
      "Flags of lockstep train by their names; the command line overrides them."),
    "type": .string("object"),
    "additionalProperties": .bool(false),
    "properties": .object(Dictionary(properties, uniquingKeysWith: { $1 })),
  ])
}
