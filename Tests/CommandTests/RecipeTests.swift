import Foundation
import Testing

@Suite struct RecipeTests {
  private static let recipes = Program.package + "/launch/recipes"

  static var names: [String] {
    get throws {
      try FileManager.default.contentsOfDirectory(atPath: recipes).filter { $0.hasSuffix(".yaml") }
        .sorted()
    }
  }

  @Test("every recipe of launch/ is one that train takes, whole and value by value")
  func ownRecipesAreGood() throws {
    let names = try Self.names
    #expect(
      names == [
        "minilm.yaml", "mpnet.yaml", "notebook.yaml", "pairs.yaml", "pretraining.yaml",
        "quickstart.yaml", "spans.yaml", "tags.yaml",
      ])
    let result = try Program.run(["recipe"] + names.map { Self.recipes + "/" + $0 })
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.split(separator: "\n").count == names.count)
  }

  @Test("recipe tells what a file sets, as JSON")
  func checksAsJSON() throws {
    let result = try Program.run(["recipe", Self.recipes + "/mpnet.yaml", "--format", "json"])
    #expect(result.status == 0, "\(result.errors)")
    let object = try JSONSerialization.jsonObject(with: Data(result.output.utf8))
    let flags = try #require((object as? [String: Any])?["flags"] as? [String: String])
    #expect(flags["pooling"] == "mean")
    #expect(flags["learning-rate"] == "0.00004")
  }

  @Test(
    "a wrong entry is refused with its line, key, and what may stand there",
    arguments: [
      ("epochs: 3\nseed: -1\n", ["wrong.yaml:2: seed", "a whole number from 0", "\"-1\""]),
      ("epochs: many\n", ["wrong.yaml:1: epochs", "a whole number", "\"many\""]),
      ("schedule: steep\n", ["wrong.yaml:1: schedule", "one of linear, ", "\"steep\""]),
      ("metric: f2\n", ["wrong.yaml:1: metric", "one of f1, ", "\"f2\""]),
      ("evaluate-every: 0\n", ["wrong.yaml:1: evaluate-every", "epoch, or a number of steps"]),
      ("time-limit: soon\n", ["wrong.yaml:1: time-limit", "a span of time"]),
      ("dry-run: true\n", ["wrong.yaml:1", "a flag of train", "\"dry-run\""]),
      ("recipe: other.yaml\n", ["wrong.yaml:1", "a flag of train", "\"recipe\""]),
      ("epochs: 3\nepochs: 4\n", ["wrong.yaml", "duplicated key"]),
      ("dropout: 2\n", ["wrong.yaml: --dropout", "a value from 0.0 to 0.999", "2.0"]),
      ("watchdog: .inf\n", ["wrong.yaml", "watchdog"]),
      ("watchdog: 1e30\n", ["wrong.yaml: --watchdog", "a value from 0.0 to 1000000.0"]),
      ("micro-batches: 3\n", ["wrong.yaml: --micro-batches", "a power of two"]),
      ("- epochs\n", ["wrong.yaml", "a mapping of flags"]),
    ])
  func refusesWrongEntries(text: String, expected: [String]) throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("wrong.yaml", text)
    let result = try Program.run(["recipe", file])
    #expect(result.status == 64, "\(result.errors)")
    for part in expected { #expect(result.errors.contains(part), "\(part) in \(result.errors)") }
  }

  @Test(
    "the schema in launch/recipes is the one that the program describes, with a type for every flag"
  )
  func schemaIsCurrent() throws {
    let result = try Program.run(["recipe", "--schema"])
    #expect(result.status == 0, "\(result.errors)")
    let kept = try String(contentsOfFile: Self.recipes + "/schema.json", encoding: .utf8)
    #expect(result.output == kept, "run launch/regenerate")
    let object = try JSONSerialization.jsonObject(with: Data(kept.utf8)) as? [String: Any]
    let flags = try #require(object?["properties"] as? [String: [String: Any]])
    #expect(flags.count > 30)
    func type(_ flag: String) -> String? { flags[flag]?["type"] as? String }
    #expect(type("epochs") == "integer")
    #expect(type("learning-rate") == "number")
    #expect(type("model") == "string")
    #expect(flags["all-reduce"]?["enum"] as? [String] == ["tree", "mpi"])
    #expect(flags["recipe"] == nil && flags["dry-run"] == nil)
    // A flag of another type than text would be taken for text if its type were forgotten.
    let texts = flags.keys.filter { type($0) == "string" }.sorted()
    #expect(
      texts == [
        "model", "output", "positive-weight", "resume", "size", "train", "validation",
      ])
  }
}
