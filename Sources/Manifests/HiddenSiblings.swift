import Glibc

// A folder under construction, and one on its way out, lie beside the visible one under a hidden
// name: `.NAME.partial-PID-RANDOM`, `.NAME.replaced-PID-RANDOM`, `.NAME.removed-PID-RANDOM`.

enum HiddenPurpose: String, CaseIterable {
  /// Being written; never whole.
  case partial
  /// The old one while a new one takes its place; whole.
  case replaced
  /// Being removed; perhaps not whole any more.
  case removed
}

/// A new hidden path beside `parent`/`name`.
func hiddenSibling(_ purpose: HiddenPurpose, parent: String, name: String) -> String {
  let random = String(UInt32.random(in: .min ... .max), radix: 16)
  return "\(parent)/.\(name).\(purpose.rawValue)-\(getpid())-\(random)"
}

/// The visible name and the purpose that a hidden name stands for; nil for any other name.
func parseHiddenSibling(_ hidden: String) -> (name: String, purpose: HiddenPurpose)? {
  let parts = hidden.split(separator: ".", omittingEmptySubsequences: false)
  guard parts.count >= 3, parts[0].isEmpty, let last = parts.last else { return nil }
  let words = last.split(separator: "-", omittingEmptySubsequences: false)
  guard words.count == 3, let purpose = HiddenPurpose(rawValue: String(words[0])),
    Int32(words[1]) != nil, UInt32(words[2], radix: 16) != nil
  else { return nil }
  let name = parts[1..<(parts.count - 1)].joined(separator: ".")
  return name.isEmpty ? nil : (name, purpose)
}

/// Removes a folder so that its visible name never shows a part of it: renamed first, then emptied.
package func removeFolderWhole(_ path: String) throws {
  let (parent, name) = splitPath(path)
  let hidden = hiddenSibling(.removed, parent: parent, name: name)
  try renameEntry(path, to: hidden)
  try synchronizeFolder(parent)
  try removeFolder(hidden)
}

/// Replaces the file at `path`, or creates it, in one step: readers see the old content or the new.
package func replaceFile(_ path: String, with bytes: [UInt8]) throws {
  try replaceFile(path) { try $0(bytes) }
}

/// The same, piece by piece.
///
/// - Parameter write: Is given what appends bytes to the new file.
package func replaceFile(
  _ path: String, _ write: (_ append: ([UInt8]) throws -> Void) throws -> Void
) throws {
  let (parent, name) = splitPath(path)
  let hidden = hiddenSibling(.partial, parent: parent, name: name)
  do {
    var file = try HashedFileWriter(creating: hidden)
    try write { bytes in try bytes.withUnsafeBytes { try file.append($0) } }
    _ = try file.finish()
    try renameEntry(hidden, to: path)
  } catch {
    unlink(hidden)
    throw error
  }
}

/// Points the symbolic link `parent`/`name` at `target` in one step: readers see the old target or
/// the new one. `target` is relative to `parent`.
package func pointLink(_ name: String, inFolder parent: String, at target: String) throws {
  let hidden = hiddenSibling(.partial, parent: parent, name: name)
  guard symlink(target, hidden) == 0 else {
    throw ManifestError.system("\(parent)/\(name)", "to link it to \(target)")
  }
  do {
    try renameEntry(hidden, to: "\(parent)/\(name)")
  } catch {
    unlink(hidden)
    throw error
  }
  try synchronizeFolder(parent)
}

/// The target of the symbolic link at `path` as it is written there; nil when it is none.
package func linkTarget(_ path: String) -> String? {
  var buffer = [CChar](repeating: 0, count: 4096)
  let count = readlink(path, &buffer, buffer.count)
  guard count >= 0 else { return nil }
  return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
}

/// Removes what killed processes left hidden in `folder`, and puts a replaced folder back whose
/// replacement never came. Only for a caller that knows that no other process writes there.
/// - Returns: the hidden names that are gone.
@discardableResult
package func removeLeftovers(inFolder folder: String) throws -> [String] {
  var gone: [String] = []
  for entry in try entries(ofFolder: folder) {
    guard let (name, purpose) = parseHiddenSibling(entry.name) else { continue }
    let path = "\(folder)/\(entry.name)"
    if purpose == .replaced, !exists("\(folder)/\(name)") {
      try renameEntry(path, to: "\(folder)/\(name)")
    } else if entry.kind == .folder {
      try removeFolder(path)
    } else if unlink(path) != 0 {
      throw ManifestError.system(path, "to remove it")
    }
    gone.append(entry.name)
  }
  if !gone.isEmpty { try synchronizeFolder(folder) }
  return gone
}
