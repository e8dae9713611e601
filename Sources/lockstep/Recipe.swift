import ArgumentParser
import Foundation
import Training
import Yams

/// A recipe file: flags of `train` kept in YAML under the same names, e.g. `learning-rate: 2e-5`.
///
/// Its entries become arguments that stand before the user's own, and the last one of a flag counts:
/// the command line overrides the recipe.
enum Recipe {
  /// Replaces `--recipe FILE` of a `train` command by what the file says.
  ///
  /// - Throws: `TrainingError` naming the file and key.
  static func expand(_ arguments: [String]) throws -> [String] {
    guard arguments.first == "train", let index = arguments.firstIndex(where: isRecipe) else {
      return arguments
    }
    guard arguments.count(where: isRecipe) == 1 else {
      throw wrong("--recipe", expected: "one recipe", found: "several")
    }
    var own = Array(arguments.dropFirst())
    let path: String
    if let equals = arguments[index].firstIndex(of: "=") {
      path = String(arguments[index][equals...].dropFirst())
      own.remove(at: index - 1)
    } else if index + 1 < arguments.count {
      path = arguments[index + 1]
      own.removeSubrange(index - 1...index)
    } else {
      return arguments  // The parser says that the value is missing.
    }
    return ["train"] + (try read(path)) + own
  }

  private static func isRecipe(_ argument: String) -> Bool {
    argument == "--recipe" || argument.hasPrefix("--recipe=")
  }

  /// The file's entries as arguments, in its order.
  private static func read(_ path: String) throws -> [String] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw wrong(path, expected: "a readable YAML file", found: "none")
    }
    let root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch {
      throw wrong(path, expected: "YAML", found: "\(error)")
    }
    guard let root else { return [] }
    guard let mapping = root.mapping else {
      throw wrong(path, expected: "a mapping of flags to values", found: "another kind of document")
    }
    return try mapping.flatMap { key, value -> [String] in
      let name = key.string ?? ""
      let place = "\(path):\(key.mark?.line ?? 1)"
      guard Train.flags.contains(name) else {
        throw wrong(place, expected: "a flag of train", found: "\"\(name)\"")
      }
      if let scalar = value.scalar { return ["--" + name, scalar.string] }
      guard let items = value.sequence, let values = items.scalars else {
        throw wrong("\(place): \(name)", expected: "a value or a list", found: "a mapping")
      }
      return ["--" + name, values.joined(separator: ",")]
    }
  }

  private static func wrong(_ place: String, expected: String, found: String) -> TrainingError {
    TrainingError(
      .usage, place, expected: expected, found: found,
      remedy: "see lockstep train --help for the flags")
  }
}

extension Node.Sequence {
  /// The items, if all are scalars.
  fileprivate var scalars: [String]? {
    let values = compactMap { $0.scalar?.string }
    return values.count == count ? values : nil
  }
}
