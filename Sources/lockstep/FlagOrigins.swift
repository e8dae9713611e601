/// Which flags of a `train` command were given, where, and how their values are written.
struct FlagOrigins {
  enum Origin: String {
    case commandLine = "command line"
    case recipe
  }

  private var given: [String: (origin: Origin, value: String)] = [:]

  /// - Parameter arguments: As the user gave them, the subcommand first.
  /// - Throws: `TrainingError` for a recipe that cannot be read.
  init(of arguments: [String]) throws {
    let parts = try Recipe.split(arguments)
    for entry in parts?.recipe.entries ?? [] {
      given[entry.flag.name] = (.recipe, entry.value)
    }
    let own = parts?.own ?? Array(arguments.dropFirst())
    for (index, argument) in own.enumerated() where argument.hasPrefix("--") {
      let words = argument.dropFirst(2).split(separator: "=", maxSplits: 1)
      guard var name = words.first else { continue }
      // The way to turn a switch off that a recipe turns on.
      if name.hasPrefix("no-") { name = name.dropFirst(3) }
      let next = own.indices.contains(index + 1) ? own[index + 1] : ""
      given[String(name)] = (.commandLine, words.count > 1 ? String(words[1]) : next)
    }
  }

  /// nil for a flag that was not given.
  func origin(of flag: String) -> Origin? { given[flag]?.origin }

  /// As it is written; nil for a flag that was not given.
  func value(of flag: String) -> String? { given[flag]?.value }
}
