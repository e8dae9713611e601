import Foundation
import Testing

@testable import Checkpoints

/// A file that must be refused, and the message without the path and the remedy.
struct MalformedFile: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let bytes: [UInt8]
  let message: String

  init(_ description: String, _ bytes: [UInt8], _ message: String) {
    testDescription = description
    self.bytes = bytes
    self.message = message
  }

  /// A file of one tensor `w` with 8 bytes of data, described by `fields`.
  init(_ description: String, tensor fields: String, _ message: String) {
    self.init(
      description, safetensors("{\"w\":{\(fields)}}", data: Array(repeating: 0, count: 8)), message)
  }

  /// A file of 8 bytes of data with the given header.
  init(_ description: String, header: String, _ message: String) {
    self.init(description, safetensors(header, data: Array(repeating: 0, count: 8)), message)
  }
}

private let two = #""w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#

@Suite struct MalformedSafetensorsTests {
  static let files: [MalformedFile] = [
    .init("nothing", [], "expected at least 8 bytes, the length of the header, found 0 bytes"),
    .init(
      "seven bytes", Array(repeating: 0, count: 7),
      "expected at least 8 bytes, the length of the header, found 7 bytes"),
    .init(
      "a header longer than the file", safetensors("{}", length: 3),
      "expected a header of at most 2 bytes in a file of 10, found a length of 3"),
    .init(
      "a header of 2^64 - 1 bytes", safetensors("{}", length: .max),
      "expected a header of at most 2 bytes in a file of 10, found a length of \(UInt64.max)"),
    .init(
      "a text file", Array("version https://git-lfs.github.com/spec/v1\n".utf8),
      "expected a header of at most 35 bytes in a file of 43, found a length of "),
    .init("no header", safetensors(""), "header byte 0: expected an object, found the end"),
    .init("not JSON", safetensors("nope"), "header byte 0: expected an object, found `n`"),
    .init("an array", safetensors("[]"), "header byte 0: expected an object, found `[`"),
    .init("a number", safetensors("12"), "header byte 0: expected an object, found `1`"),
    .init("cut JSON", safetensors("{\"w\":{"), "tensor `w` (header byte 6): expected a string"),
    .init(
      "text behind the header", safetensors("{}x"),
      "header byte 2: expected the end of the text, found `x`"),
    .init(
      "not UTF-8", [5, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0xff, 0x22, 0x7d],
      "header byte 2: expected UTF-8, found bytes that are not"),
    .init(
      "an overlong UTF-8 name", [6, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x7d],
      "header byte 2: expected UTF-8, found bytes that are not"),
    .init(
      "metadata that is no object", safetensors(#"{"__metadata__":[]}"#),
      "header byte 16: expected an object, found `[`"),
    .init(
      "metadata of numbers", safetensors(#"{"__metadata__":{"a":1}}"#),
      "header byte 21: expected a string, found `1`"),
    .init(
      "a name twice", header: "{\(two),\(two)}",
      "header byte 54: expected each key once, found `w` again"),
    .init(
      "a name twice, once escaped", header: "{\(two),\(two.replacing("w", with: "\\u0077"))}",
      "header byte 54: expected each key once, found `w` again"),
    .init(
      "a field twice", tensor: #""dtype":"F32","dtype":"F32""#,
      "tensor `w` (header byte 20): expected each key once, found `dtype` again"),
    .init(
      "deep nesting", tensor: "\"x\":" + String(repeating: "[", count: 100_000),
      "tensor `w` (header byte 16): expected at most 8 levels of nesting, found more"),
    .init("no dtype", tensor: #""shape":[2],"data_offsets":[0,8]"#, "expected a dtype, found none"),
    .init(
      "no shape", tensor: #""dtype":"F32","data_offsets":[0,8]"#, "expected a shape, found none"),
    .init("no offsets", tensor: #""dtype":"F32","shape":[2]"#, "expected data_offsets, found none"),
    .init(
      "an unknown dtype", tensor: #""dtype":"F33","shape":[2],"data_offsets":[0,8]"#,
      "tensor `w`: expected a known dtype such as F32, F16 or BF16, found `F33`"),
    .init(
      "a dtype that is no string", tensor: #""dtype":4,"shape":[2],"data_offsets":[0,8]"#,
      "tensor `w` (header byte 14): expected a string, found `4`"),
    .init(
      "a tensor that is no object", header: #"{"w":7}"#,
      "tensor `w` (header byte 5): expected an object, found `7`"),
    .init(
      "a negative size", tensor: #""dtype":"F32","shape":[-2],"data_offsets":[0,8]"#,
      "tensor `w`: expected a shape of sizes >= 0, found [-2]"),
    .init(
      "a fractional size", tensor: #""dtype":"F32","shape":[2.0],"data_offsets":[0,8]"#,
      "expected an integer of 64 bits, found 2.0"),
    .init(
      "a size of 2^64",
      tensor: #""dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8]"#,
      "expected an integer of 64 bits, found 18446744073709551616"),
    .init(
      "a shape that overflows",
      tensor: #""dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]"#,
      "tensor `w`: expected a shape of less than 2^63 bytes, found [4294967296, 4294967296]"),
    .init(
      "one offset", tensor: #""dtype":"F32","shape":[2],"data_offsets":[0]"#,
      "tensor `w`: expected two data_offsets, found 1"),
    .init(
      "three offsets", tensor: #""dtype":"F32","shape":[2],"data_offsets":[0,8,8]"#,
      "tensor `w`: expected two data_offsets, found 3"),
    .init(
      "offsets that are strings", tensor: #""dtype":"F32","shape":[2],"data_offsets":["0","8"]"#,
      "expected a number, found `\"`"),
    .init(
      "begin behind end", tensor: #""dtype":"F32","shape":[2],"data_offsets":[8,0]"#,
      "tensor `w`: expected data_offsets [begin, end] with 0 <= begin <= end, found [8, 0]"),
    .init(
      "a negative offset", tensor: #""dtype":"F32","shape":[2],"data_offsets":[-8,0]"#,
      "tensor `w`: expected data_offsets [begin, end] with 0 <= begin <= end, found [-8, 0]"),
    .init(
      "data outside of the file", tensor: #""dtype":"F32","shape":[4],"data_offsets":[0,16]"#,
      "tensor `w`: expected data_offsets within the file's 8 bytes of data, found end 16"),
    .init(
      "data far outside",
      tensor: #""dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]"#,
      "tensor `w`: expected data_offsets within the file's 8 bytes of data, found end 9223"),
    .init(
      "a size that is not the shape's", tensor: #""dtype":"F32","shape":[3],"data_offsets":[0,8]"#,
      "tensor `w`: expected 12 bytes for F32 [3], found 8 bytes"),
    .init(
      "an overlap",
      header: #"{\#(two),"v":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      "tensor `v`: expected its data to begin at byte 8, where the tensor before it ends, "
        + "found an overlap: begin 4"),
    .init(
      "a gap",
      header: #"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      "tensor `w`: expected its data to begin at byte 0, where the tensor before it ends, "
        + "found a gap: begin 4"),
    .init(
      "bytes behind the last tensor",
      header: #"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
      "expected 4 bytes of data, where the last tensor ends, found 8 bytes"),
    .init(
      "a name with control characters", header: "{\"a\\n\\u001b[31m\":{}}",
      "tensor `a\\u{a}\\u{1b}[31m`: expected a dtype, found none"),
  ]

  @Test("A malformed file is refused with a message that names it", arguments: files)
  func refused(_ file: MalformedFile) throws {
    let folder = try TemporaryFolder()
    let path = folder("model.safetensors")
    try write(file.bytes, to: path)
    let text = message { _ = try ModelFolder(path: folder.path) }
    #expect(text.hasPrefix(path), "\(text)")
    #expect(text.contains(file.message), "\(text)")
    #expect(!text.contains("\n"))
    #expect(text.contains("; "), "a remedy: \(text)")
  }

  @Test("A header of more than 100 MB is refused before it is read")
  func hugeHeader() throws {
    let folder = try TemporaryFolder()
    let path = folder("model.safetensors")
    try write(safetensors("{}", length: 100_000_001), to: path)
    try #require(truncate(path, 200_000_000) == 0)
    #expect(
      message { _ = try SafetensorsFile(path: path) }.hasPrefix(
        "\(path): expected a header of at most 100000000 bytes in a file of 200000000, found "
          + "a length of 100000001;"))
  }

  @Test("A pipe, a folder and a missing file are refused without waiting")
  func notFiles() throws {
    let folder = try TemporaryFolder()
    try #require(mkfifo(folder("pipe"), 0o600) == 0)
    let directory = try folder.make("directory")
    #expect(
      message { _ = try SafetensorsFile(path: folder("pipe")) }
        == "\(folder("pipe")): expected a regular file, found a named pipe; check the path")
    #expect(
      message { _ = try SafetensorsFile(path: directory) }
        == "\(directory): expected a regular file, found a folder; check the path")
    #expect(
      message { _ = try SafetensorsFile(path: folder("none")) }
        == "\(folder("none")): expected to open it for reading, found No such file or directory; "
        + "check the path")
  }

  @Test("60,000 seeded mutations of headers parse or throw, and never trap")
  func mutations() throws {
    var random = SeededGenerator(state: 20)
    let tensors = OwnedTensors(SafetensorsTests.shapes)
    let folder = try TemporaryFolder()
    _ = try writeSafetensors(tensors.views, to: folder("seed"))
    let file = try read(folder("seed"))
    let length = Int(file[0]) | Int(file[1]) << 8
    let header = Array(file[8..<8 + length])
    let dataByteCount = file.count - 8 - length
    let words = [
      "{", "}", "[", "]", "\"", ":", ",", "-", "9223372036854775807", "1e999", "0.5", "null",
      "true", "\\ud800", "\\u0000", "\u{0}", "\u{feff}", "\"dtype\"", "\"F16\"", "__metadata__",
    ].map { Array($0.utf8) }
    var parsed = 0
    for _ in 0..<60_000 {
      var mutant = header
      for _ in 0...Int.random(in: 0..<4, using: &random) where !mutant.isEmpty {
        let at = Int.random(in: 0..<mutant.count, using: &random)
        let end = min(mutant.count, at + Int.random(in: 0..<12, using: &random))
        switch Int.random(in: 0..<6, using: &random) {
        case 0: mutant[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: mutant[at] = UInt8.random(in: 0...255, using: &random)
        case 2: mutant.removeSubrange(at..<end)
        case 3: mutant.insert(contentsOf: mutant[at..<end], at: at)
        case 4:
          mutant.insert(
            contentsOf: words[Int.random(in: 0..<words.count, using: &random)], at: at)
        default: mutant.removeSubrange(at...)
        }
      }
      do {
        let result = try SafetensorsHeader(
          parsing: mutant, dataByteCount: dataByteCount, path: "mutant")
        parsed += 1
        var end = 0
        for tensor in result.tensors {
          #expect(tensor.bytes.lowerBound == end)
          #expect(tensor.shape.reduce(tensor.type.byteWidth, *) == tensor.bytes.count)
          end = tensor.bytes.upperBound
        }
        #expect(end == dataByteCount)
      } catch let error as CheckpointError {
        #expect(error.place.hasPrefix("mutant"))
      }
    }
    #expect(parsed > 100, "mutations that only rename or pad are still good")
  }
}

/// SplitMix64: the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
