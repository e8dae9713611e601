import Foundation

/// Places of reference data.
package enum Reference {
  package static let package = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
  package static let fixtures = package + "/Tests/Fixtures"
  package static let shared = package + "/../shared"

  /// Reads Python's snake_case keys.
  package static var decoder: JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }

  package static func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path)
  }

  package static func environment(_ name: String) -> String? {
    ProcessInfo.processInfo.environment[name].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The pretrained MiniLM folder, from `LOCKSTEP_MINILM` or the cache of the launch scripts.
  package static var miniLM: String? {
    let home = environment("HOME") ?? ""
    let cache =
      environment("LOCKSTEP_CACHE") ?? (environment("XDG_CACHE_HOME") ?? home + "/.cache")
      + "/lockstep"
    return [environment("LOCKSTEP_MINILM"), cache + "/minilm"].compactMap { $0 }
      .first { exists($0 + "/model.safetensors") }
  }
}
