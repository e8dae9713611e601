import ArgumentParser
import Foundation
import Training
import Yams

/// A recipe file: flags of `train` kept in YAML under the same names, e.g. `learning-rate: 2e-5`.
///
/// Its entries become arguments that stand before the user's own, and the last one of a flag counts:
/// the command line overrides the recipe.
struct Recipe {
  /// One flag and its value.
  struct Entry {
    let flag: TrainFlag
    /// As it is written; a list's items with commas between them.
    let value: String
    /// From 1.
    let line: Int
    /// What stands for it on a command line.
    let arguments: [String]
  }

  let path: String
  /// In the order of the file.
  let entries: [Entry]

  var arguments: [String] { entries.flatMap(\.arguments) }

  /// Reads a file. Every value is one that `train` understands; whether it is in its range `train` says.
  ///
  /// - Throws: `TrainingError` naming file, line and key.
  init(path: String) throws {
    let text: String
    do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
      throw TrainingError(
        .usage, path, expected: "a YAML file in UTF-8", found: error.localizedDescription,
        remedy: "name a recipe, such as one of launch/recipes")
    }
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch {
      throw wrong(path, expected: "YAML", found: "\(error)")
    }
    guard let mapping = (root ?? Node([(Node, Node)]())).mapping else {
      throw wrong(path, expected: "a mapping of flags to values", found: "another kind of document")
    }
    let flags = try TrainFlag.all()
    self.path = path
    entries = try mapping.map { key, value in
      let name = key.string ?? ""
      let place = "\(path):\(key.mark?.line ?? 1)"
      guard let flag = flags.first(where: { $0.name == name }) else {
        throw wrong(place, expected: "a flag of train", found: "\"\(name)\"")
      }
      return try Entry(flag, value, line: key.mark?.line ?? 1, place: "\(place): \(name)", flags)
    }
  }

  /// Checks the values' ranges too, as `train` does before it reads anything.
  ///
  /// - Throws: `TrainingError` naming the file.
  func checkRanges() throws {
    let command = try Train.parse(TrainFlag.placeholders(try TrainFlag.all()) + arguments)
    do {
      try command.options.validate()
    } catch let error as TrainingError {
      throw TrainingError(
        error.kind, "\(path): \(error.place)", expected: error.expected, found: error.found,
        remedy: error.remedy)
    }
  }
}

extension Recipe {
  /// Replaces `--recipe FILE` of a `train` command by what the file says.
  ///
  /// - Throws: `TrainingError` naming the file and key.
  static func expand(_ arguments: [String]) throws -> [String] {
    guard let (recipe, own) = try split(arguments) else { return arguments }
    return ["train"] + recipe.arguments + own
  }

  /// The recipe of a `train` command, and the arguments beside it without `train`.
  ///
  /// - Returns: nil for another command, and for one without a recipe.
  static func split(_ arguments: [String]) throws -> (recipe: Recipe, own: [String])? {
    guard arguments.first == "train", let index = arguments.firstIndex(where: isRecipe) else {
      return nil
    }
    guard arguments.count(where: isRecipe) == 1 else {
      throw wrong("--recipe", expected: "one recipe", found: "several")
    }
    var own = Array(arguments.dropFirst())
    if let equals = arguments[index].firstIndex(of: "=") {
      own.remove(at: index - 1)
      return (try Recipe(path: String(arguments[index][equals...].dropFirst())), own)
    }
    // The parser says that the value is missing.
    guard index + 1 < arguments.count else { return nil }
    own.removeSubrange(index - 1...index)
    return (try Recipe(path: arguments[index + 1]), own)
  }

  private static func isRecipe(_ argument: String) -> Bool {
    argument == "--recipe" || argument.hasPrefix("--recipe=")
  }
}

extension Recipe.Entry {
  /// - Parameter place: File, line and key, for errors.
  fileprivate init(
    _ flag: TrainFlag, _ node: Node, line: Int, place: String, _ flags: [TrainFlag]
  ) throws {
    self.flag = flag
    self.line = line
    if let scalar = node.scalar {
      value = scalar.string
    } else if let items = node.sequence, let values = items.scalars {
      value = values.joined(separator: ",")
    } else {
      throw wrong(place, expected: "a value or a list of values", found: "what nests deeper")
    }
    if flag.isSwitch {
      guard value == "true" || value == "false" else {
        throw wrong(place, expected: "true or false", found: "\"\(value)\"")
      }
      arguments = value == "true" ? ["--" + flag.name] : []
    } else {
      arguments = ["--\(flag.name)=\(value)"]
    }
    let isKnown = flag.form.words?.contains(value) ?? true
    guard isKnown, (try? Train.parse(TrainFlag.placeholders(flags) + arguments)) != nil else {
      throw wrong(place, expected: flag.form.text, found: "\"\(value)\"")
    }
  }
}

private func wrong(_ place: String, expected: String, found: String) -> TrainingError {
  TrainingError(
    .usage, place, expected: expected, found: found,
    remedy: "see lockstep train --help for the flags")
}

extension Node.Sequence {
  /// The items, if all are scalars.
  fileprivate var scalars: [String]? {
    let values = compactMap { $0.scalar?.string }
    return values.count == count ? values : nil
  }
}
