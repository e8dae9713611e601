import Foundation
import Testing

@testable import Manifests

/// A folder that is removed with the test that made it.
final class TemporaryFolder {
  let path: String

  init() throws {
    let name = "lockstep-tests-\(UUID().uuidString)"
    path = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit { try? removeFolder(path) }

  func callAsFunction(_ name: String) -> String { "\(path)/\(name)" }

  var names: [String] { get throws { try entries(ofFolder: path).map(\.name) } }
}

private struct TestManifest: Codable {
  var format = "lockstep-test"
  var files: [FileRecord]
  var rows = 3
}

/// Seals a folder of an empty, a small, and an odd-sized file.
private func sealExample(at path: String, replacing: Bool = false) throws {
  let writer = try SealedFolderWriter(destination: path, replacing: replacing)
  try write([], to: writer.path(of: "empty.bin"))
  try writer.add("empty.bin")
  try writer.add("small.txt", content: Array("hello\n".utf8))
  var odd = try HashedFileWriter(creating: writer.path(of: "odd.bin"))
  for step in 0..<7 {
    let bytes = (0..<step).map { UInt8($0 * 31 & 255) }
    try bytes.withUnsafeBytes { try odd.append($0) }
  }
  let (hash, count) = try odd.finish()
  try writer.add("odd.bin", sha256: hash, bytes: count)
  try writer.seal(manifest: TestManifest(files: writer.files))
}

private func write(_ bytes: [UInt8], to path: String) throws {
  try Data(bytes).write(to: URL(fileURLWithPath: path))
}

private func read(_ path: String) throws -> [UInt8] {
  try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
}

@Suite struct SealedFolderTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  @Test("A sealed folder verifies, and holds its files, the manifest and nothing hidden")
  func roundTrip() throws {
    try sealExample(at: folder("sealed"))
    #expect(try folder.names == ["sealed"])
    let expected = ["empty.bin", "manifest.json", "manifest.sha256", "odd.bin", "small.txt"]
    #expect(try entries(ofFolder: folder("sealed")).map(\.name) == expected)
    let verification = try verifySealedFolder(folder("sealed"))
    #expect(verification.failures == [])
    #expect(verification.format == "lockstep-test")
    #expect(
      verification.files.map(\.name) == ["manifest.json", "empty.bin", "small.txt", "odd.bin"])
    #expect(verification.files.map(\.bytes) == [nil, 0, 6, 21])
    let decoded = try JSONDecoder().decode(
      TestManifest.self, from: Data(SealedFolder(path: folder("sealed")).manifestBytes))
    #expect(decoded.rows == 3)
    #expect(decoded.files[1].sha256.hasPrefix("5891b5b522d5df08"))
  }

  @Test("manifest.sha256 is what sha256sum writes")
  func digestFormat() throws {
    try sealExample(at: folder("sealed"))
    let line = try String(decoding: read(folder("sealed/manifest.sha256")), as: UTF8.self)
    let hash = try sha256OfFile(folder("sealed/manifest.json")).sha256
    #expect(line == "\(hash)  manifest.json\n")
    let check = Process()
    check.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    check.arguments = ["sha256sum", "--check", "--quiet", "manifest.sha256"]
    check.currentDirectoryURL = URL(fileURLWithPath: folder("sealed"))
    try check.run()
    check.waitUntilExit()
    #expect(check.terminationStatus == 0)
  }

  @Test("A flipped bit in any byte, manifests included, is detected and names the file")
  func everyByte() throws {
    try sealExample(at: folder("sealed"))
    for entry in try entries(ofFolder: folder("sealed")) {
      let path = folder("sealed/\(entry.name)")
      let original = try read(path)
      for position in 0..<original.count {
        var damaged = original
        damaged[position] ^= 1 << (position * 5 % 8)
        try write(damaged, to: path)
        let failures = try verifySealedFolder(folder("sealed")).failures
        #expect(failures.count == 1, "\(entry.name) byte \(position)")
        let place = failures.first?.place ?? ""
        #expect(place == path || (entry.name == "manifest.sha256" && place.contains("manifest.")))
      }
      try write(original, to: path)
    }
    #expect(try verifySealedFolder(folder("sealed")).failures == [])
  }

  @Test("A missing, a short, a long, a linked and an extra file are each named")
  func structure() throws {
    func failures(_ change: (String) throws -> Void) throws -> [String] {
      let path = folder("case-\(UUID().uuidString)")
      try sealExample(at: path)
      try change(path)
      return try verifySealedFolder(path).failures.map {
        $0.description.replacingOccurrences(of: path, with: "F")
      }
    }
    let remedy = "the folder is damaged: use another copy of it, or write it again"
    #expect(
      try failures { try FileManager.default.removeItem(atPath: $0 + "/odd.bin") }
        == ["F/odd.bin: expected a file of 21 bytes, found no such file; \(remedy)"])
    #expect(
      try failures { try write(Array("hell".utf8), to: $0 + "/small.txt") }
        == ["F/small.txt: expected 6 bytes, found 4 bytes; \(remedy)"])
    #expect(
      try failures { try write(Array("hello\n\n".utf8), to: $0 + "/small.txt") }
        == ["F/small.txt: expected 6 bytes, found 7 bytes; \(remedy)"])
    #expect(
      try failures { try write([1], to: $0 + "/extra") } == [
        "F/extra: expected only files that the manifest lists, found one that it does not list; "
          + "move it elsewhere"
      ])
    let linked = try failures {
      try FileManager.default.moveItem(atPath: $0 + "/odd.bin", toPath: $0 + ".moved")
      try FileManager.default.createSymbolicLink(
        atPath: $0 + "/odd.bin", withDestinationPath: $0 + ".moved")
    }
    #expect(linked.count == 1)
    #expect(linked.first?.hasPrefix("F/odd.bin: expected to open it for reading, found") == true)
    #expect(
      try failures { try FileManager.default.removeItem(atPath: $0 + "/manifest.sha256") } == [
        "F/manifest.sha256: expected to open it for reading, found No such file or directory; "
          + "check the path"
      ])
  }

  @Test("A folder without a manifest is an error that says so")
  func noManifest() throws {
    #expect {
      try verifySealedFolder(folder.path)
    } throws: {
      "\($0)".hasPrefix(
        "\(folder.path): expected manifest.json and manifest.sha256, found neither; name a")
    }
    #expect {
      try verifySealedFolder(folder("nowhere"))
    } throws: {
      "\($0)".hasPrefix("\(folder("nowhere")): expected a folder with manifest.json, found nothing")
    }
  }

  @Test("An abandoned or dropped writer leaves nothing, an unfinished one only a hidden folder")
  func unfinished() throws {
    var writer: SealedFolderWriter? = try SealedFolderWriter(destination: folder("sealed"))
    try writer?.add("a", content: [1, 2, 3])
    let names = try folder.names
    #expect(names.count == 1)
    #expect(names.first?.hasPrefix(".sealed.partial-\(getpid())-") == true)
    writer?.abandon()
    #expect(try folder.names == [])
    writer = try SealedFolderWriter(destination: folder("sealed"))
    #expect(try folder.names.count == 1)
    writer = nil
    #expect(try folder.names == [])
  }

  @Test("An existing destination is refused, or replaced when that is asked for")
  func existing() throws {
    try sealExample(at: folder("sealed"))
    #expect {
      try sealExample(at: folder("sealed"))
    } throws: {
      "\($0)".hasPrefix("\(folder("sealed")): expected nothing there yet, found an existing file")
    }
    try write([1], to: folder("sealed/extra"))
    try sealExample(at: folder("sealed"), replacing: true)
    #expect(try folder.names == ["sealed"])
    #expect(try verifySealedFolder(folder("sealed")).failures == [])
  }

  @Test("Folders that lead to a destination are created where that is asked for, or must exist")
  func parents() throws {
    let path = folder("data/shards/train")
    #expect(throws: ManifestError.self) { try SealedFolderWriter(destination: path) }
    #expect(try folder.names.isEmpty)
    let writer = try SealedFolderWriter(destination: path, creatingParents: true)
    try writer.seal(manifest: TestManifest(files: writer.files))
    #expect(try entries(ofFolder: folder("data/shards")).map(\.name) == ["train"])

    try write([], to: folder("file"))
    let error = #expect(throws: ManifestError.self) {
      try SealedFolderWriter(destination: folder("file/shards"), creatingParents: true)
    }
    #expect(error.map { "\($0)" }?.contains("to create a folder in \(folder("file"))") == true)
  }

  @Test("A destination that appears while the folder is written is not overwritten")
  func race() throws {
    let writer = try SealedFolderWriter(destination: folder("sealed"))
    try FileManager.default.createDirectory(
      atPath: folder("sealed"), withIntermediateDirectories: false)
    #expect(throws: ManifestError.self) {
      try writer.seal(manifest: TestManifest(files: []))
    }
    writer.abandon()
    #expect(try folder.names == ["sealed"])
  }

  @Test("A manifest that does not list what was written is refused")
  func forgottenFile() throws {
    let writer = try SealedFolderWriter(destination: folder("sealed"))
    try writer.add("a", content: [1])
    #expect {
      try writer.seal(manifest: TestManifest(files: []))
    } throws: {
      "\($0)".contains("sealed/manifest.json: expected the 1 files written, found a list of 0")
    }
  }

  @Test("Names that leave the folder, or come twice, are refused")
  func names() throws {
    let writer = try SealedFolderWriter(destination: folder("sealed"))
    try writer.add("a", content: [1])
    for name in ["a", "", ".", "..", "../b", "b/c", "b\nc", "manifest.json", "manifest.sha256"] {
      #expect(throws: ManifestError.self, "\(name)") { try writer.add(name, content: [1]) }
    }
  }

  @Test("An unwritable destination names the path and the reason")
  func unwritable() throws {
    #expect {
      _ = try SealedFolderWriter(destination: folder("no/such/sealed"))
    } throws: {
      "\($0)".hasPrefix("\(folder("no/such/sealed")): expected to create a folder in")
        && "\($0)".contains("found No such file or directory")
    }
    #expect {
      _ = try SealedFolderWriter(destination: "/proc/sealed")
    } throws: {
      "\($0)".hasPrefix("/proc/sealed: expected to create a folder in /proc, found ")
    }
  }

  @Test("Writing to a full device names the path and the reason")
  func fullDevice() throws {
    let descriptor = open("/dev/full", O_WRONLY)
    try #require(descriptor >= 0)
    var file = OpenFile(path: "a/b", descriptor: descriptor)
    let expected =
      "a/b: expected to write 3 bytes, found No space left on device; "
      + "free space on its file system, or name a folder elsewhere"
    var found: String?
    do {
      try [UInt8](1...3).withUnsafeBytes { try file.append($0) }
    } catch {
      found = "\(error)"
    }
    #expect(found == expected)
  }

  @Test("Folders may be named with a slash at the end, as shells complete them")
  func trailingSlash() throws {
    try sealExample(at: folder("sealed/"))
    #expect(try folder.names == ["sealed"])
    let verification = try verifySealedFolder(folder("sealed//"))
    #expect(verification.failures == [])
    #expect(verification.path == folder("sealed"))
    #expect(withoutTrailingSlash("/") == "/")
    #expect(splitPath("a/b/") == ("a", "b"))
    #expect(splitPath("/a") == ("/", "a"))
    #expect(splitPath("a") == (".", "a"))
  }

  @Test("Names that could steer a terminal are escaped in messages")
  func hostileNames() throws {
    try sealExample(at: folder("sealed"))
    try write([1], to: folder("sealed/x\n\u{1b}[2Jy"))
    let failure = try #require(verifySealedFolder(folder("sealed")).failures.first)
    #expect(failure.place == folder("sealed/x\\u{a}\\u{1b}[2Jy"))
    #expect(quoted(String(repeating: "a", count: 500)).count == 123)
  }
}
