import Foundation

/// What the kernel tells in files: /proc, /sys and the control groups.
struct SystemFiles {
  /// Before every path; tests have trees of their own.
  var root = ""

  /// A file's text without the white space around it; nil where it cannot be read.
  func text(_ path: String) -> String? {
    guard let data = FileManager.default.contents(atPath: root + path) else { return nil }
    return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
  }

  func number(_ path: String) -> Int? { text(path).flatMap { Int($0) } }

  func set(_ path: String) -> CPUSet? { text(path).flatMap { CPUSet($0) } }

  /// The value behind `name:` in a file of such lines, e.g. of /proc/meminfo.
  func field(_ name: String, of path: String) -> String? {
    guard let lines = text(path)?.split(separator: "\n") else { return nil }
    let line = lines.first { $0.hasPrefix(name + ":") || $0.hasPrefix(name + "\t") }
    return line?.drop { $0 != ":" }.dropFirst().trimmingCharacters(in: .whitespaces)
  }

  /// Names in a folder that begin with `prefix` and go on with a number, by that number.
  func numbered(_ prefix: String, in path: String) -> [Int] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root + path)) ?? []
    return names.filter { $0.hasPrefix(prefix) }.compactMap { Int($0.dropFirst(prefix.count)) }
      .sorted()
  }
}
