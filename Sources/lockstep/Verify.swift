import ArgumentParser
import Checkpoints
import Foundation
import Manifests

/// `lockstep verify PATH`: recomputes every hash of sealed folders.
struct Verify: ParsableCommand {
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case text, json
  }

  static let configuration = CommandConfiguration(
    abstract: "Recomputes every hash of a checkpoint or shard folder.",
    discussion: """
      Prints a line a file. A run folder stands for all of its checkpoints. Exits with 65 when \
      anything differs from what was sealed: a byte, a size, a missing or an additional file.
      """)

  @Argument(help: "A checkpoint, a shard folder, or a run folder.", completion: .directory)
  var path: String

  @Option(help: "How the result is printed: text or json.")
  var format: Format = .text

  func run() throws {
    let folders = try verify(path)
    switch format {
    case .text: printText(folders)
    case .json: try printJSON(folders)
    }
    guard folders.allSatisfy({ $0.failures.isEmpty }) else { throw ExitCode(65) }
  }

  private func verify(_ path: String) throws -> [FolderVerification] {
    let isRun = isFolder(path) && !exists("\(path)/\(manifestName)")
    let checkpoints = isRun ? try RunFolder(path: path).checkpoints() : []
    guard !checkpoints.isEmpty else { return [try verifySealedFolder(path)] }
    return try checkpoints.reversed().map { checkpoint in
      do {
        return try verifySealedFolder(checkpoint.path)
      } catch let error as ManifestError {
        return FolderVerification(path: checkpoint.path, manifestFailure: error)
      }
    }
  }

  private func printText(_ folders: [FolderVerification]) {
    for folder in folders {
      for file in folder.files {
        let name = "\(folder.path)/\(printable(file.name))"
        guard let failure = file.failure else {
          print("\(name): ok")
          continue
        }
        print(
          "\(name): FAILED: expected \(failure.expected), "
            + "found \(failure.found); \(failure.remedy)")
      }
    }
    let files = folders.reduce(0) { $0 + $1.files.count }
    let failed = folders.reduce(0) { $0 + $1.failures.count }
    let folderCount = folders.count == 1 ? "1 folder" : "\(folders.count) folders"
    print("\(files) files in \(folderCount): " + (failed == 0 ? "all ok" : "\(failed) FAILED"))
  }

  private func printJSON(_ folders: [FolderVerification]) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(VerifyReport(folders)), as: UTF8.self))
  }
}

/// The result of `lockstep verify --format json`.
private struct VerifyReport: Encodable {
  struct Folder: Encodable {
    var path: String
    var format: String?
    var ok: Bool
    var files: [File]
  }

  /// `expected`, `found` and `remedy` only where `ok` is false.
  struct File: Encodable {
    var name: String
    var ok: Bool
    var bytes: Int64?
    var expected: String?
    var found: String?
    var remedy: String?
  }

  var ok: Bool
  var failed: Int
  var folders: [Folder]

  init(_ verifications: [FolderVerification]) {
    failed = verifications.reduce(0) { $0 + $1.failures.count }
    ok = failed == 0
    folders = verifications.map { folder in
      Folder(
        path: folder.path, format: folder.format, ok: folder.failures.isEmpty,
        files: folder.files.map {
          File(
            name: $0.name, ok: $0.failure == nil, bytes: $0.bytes, expected: $0.failure?.expected,
            found: $0.failure?.found, remedy: $0.failure?.remedy)
        })
    }
  }
}
