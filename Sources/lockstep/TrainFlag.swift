import ArgumentParser
import Encoders
import Foundation
import Training

/// A flag of `train` that a recipe may set, as the argument parser describes it.
struct TrainFlag {
  /// Without its dashes.
  let name: String
  /// Whether it stands alone on a command line; in a recipe it is true or false.
  let isSwitch: Bool
  let isRequired: Bool
  /// What the parser says of it.
  let help: String
  /// As the parser writes it; nil where the parser knows of none.
  let defaultValue: String?
  let form: ValueForm

  /// What is a matter of one command line, and no recipe's.
  private static let others: Set = ["recipe", "dry-run", "help", "version"]

  /// The flags in the order in which `train` declares them.
  ///
  /// - Throws: An error of decoding where the parser describes itself otherwise than it used to.
  static func all() throws -> [TrainFlag] {
    let types = valueTypes()
    return try JSONDecoder().decode(ParserDump.self, from: Data(Train._dumpHelp().utf8))
      .command.arguments.compactMap { argument in
        guard argument.kind != "positional", let name = argument.preferredName?.name,
          // The other half of a switch, for which a recipe says false.
          !others.contains(name), !name.hasPrefix("no-")
        else { return nil }
        let isSwitch = argument.kind == "flag"
        let form = (types[name] as? any RecipeValue.Type)?.form
        return TrainFlag(
          name: name, isSwitch: isSwitch,
          isRequired: !isSwitch && !argument.isOptional && argument.defaultValue == nil,
          help: argument.abstract ?? "",
          defaultValue: isSwitch
            ? argument.defaultValue.map { _ in "false" } : argument.defaultValue,
          form: form ?? (isSwitch ? Bool.form : String.form))
      }
  }

  /// A value for each required flag, so that the parser looks at the others.
  static func placeholders(_ flags: [TrainFlag]) -> [String] {
    flags.filter(\.isRequired).map { "--\($0.name)=-" }
  }

  /// The types behind the options, by the names of their flags.
  private static func valueTypes() -> [String: Any.Type] {
    Mirror(reflecting: Train()).children.reduce(into: [:]) { types, child in
      guard let label = child.label, let option = type(of: child.value) as? any OptionType.Type
      else { return }
      types[flagName(ofProperty: label)] = option.valueType
    }
  }

  /// `_maxGradNorm`, as the property wrapper calls it, is `max-grad-norm`.
  private static func flagName(ofProperty label: String) -> String {
    label.drop { $0 == "_" }.reduce(into: "") { name, character in
      name += character.isUppercase ? "-" + character.lowercased() : String(character)
    }
  }
}

/// What the argument parser says of a command, as `--experimental-dump-help` prints it.
private struct ParserDump: Decodable {
  let command: Command

  struct Command: Decodable { let arguments: [Argument] }

  struct Argument: Decodable {
    let kind: String
    let preferredName: Name?
    let isOptional: Bool
    let abstract: String?
    let defaultValue: String?
  }

  struct Name: Decodable { let name: String }
}

/// A property wrapper of the argument parser that knows its value's type.
private protocol OptionType {
  static var valueType: Any.Type { get }
}

extension ArgumentParser.Option: OptionType {
  fileprivate static var valueType: Any.Type { Value.self }
}
