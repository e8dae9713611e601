import Foundation
import Manifests
import Testing

@testable import Checkpoints

@Suite struct ModelFolderTests {
  let folder: TemporaryFolder
  let tensors = OwnedTensors([
    ("a", [10]), ("b", [3]), ("c", [7]), ("d", [0]), ("e", [100]), ("f", []), ("g", [5]),
  ])
  init() throws { folder = try TemporaryFolder() }

  private func cut(_ maxBytes: Int) -> [[String]] {
    cutIntoFiles(tensors.views, maxBytes: maxBytes).map { $0.map(\.name) }
  }

  @Test("Tensors are cut in order, at the limit to the byte, and never inside")
  func cutting() {
    #expect(cut(1_000_000) == [["a", "b", "c", "d", "e", "f", "g"]])
    #expect(cut(504) == [["a", "b", "c", "d", "e", "f", "g"]])
    #expect(cut(503) == [["a", "b", "c", "d", "e", "f"], ["g"]])
    #expect(cut(80) == [["a", "b", "c", "d"], ["e"], ["f", "g"]])
    #expect(cut(79) == [["a", "b"], ["c", "d"], ["e"], ["f", "g"]])
    #expect(cut(1) == [["a"], ["b"], ["c"], ["d"], ["e"], ["f"], ["g"]])
    #expect(cutIntoFiles([], maxBytes: 1).map(\.count) == [0])
    #expect(tensorFileName("model", 0, of: 3) == "model-00001-of-00003.safetensors")
    #expect(tensorFileName("model", 99_999, of: 100_000) == "model-100000-of-100000.safetensors")
  }

  /// Writes the tensors in several files with an index into `path`.
  private func writeSharded(_ path: String, maxBytes: Int = 80) throws {
    let files = cutIntoFiles(tensors.views, maxBytes: maxBytes)
    let named = files.enumerated().map { index, tensors in
      (name: tensorFileName("model", index, of: files.count), tensors: tensors)
    }
    for file in named { _ = try writeSafetensors(file.tensors, to: "\(path)/\(file.name)") }
    try write(weightsIndex(named), to: "\(path)/\(weightsIndexName)")
  }

  @Test("Several files with an index read like one")
  func sharded() throws {
    let path = try folder.make("model")
    try writeSharded(path)
    let model = try ModelFolder(path: path)
    #expect(model.tensorNames == ["a", "b", "c", "d", "e", "f", "g"])
    #expect(model.tensorBytes == 504)
    for view in tensors.views { #expect(try model.floats(view.name) == tensors[view.name]) }
    #expect(!model.contains("h"))
    #expect(model.shape(of: "h") == nil)
    let index =
      try JSONSerialization.jsonObject(
        with: Data(read("\(path)/\(weightsIndexName)"))) as? NSDictionary
    let expected: NSDictionary = [
      "metadata": ["total_size": 504],
      "weight_map": Dictionary(
        uniqueKeysWithValues: zip("abcdefg", [1, 1, 1, 1, 2, 3, 3]).map {
          (String($0), "model-0000\($1)-of-00003.safetensors")
        }),
    ]
    #expect(index == expected)
  }

  @Test("An index whose names leave the folder is refused")
  func leavingIndex() throws {
    let path = try folder.make("model")
    try writeSharded(path)
    _ = try writeSafetensors(tensors.views, to: folder("x.safetensors"))
    let leaving = [
      "../x.safetensors", "\(folder.path)/x.safetensors", "sub/x.safetensors", "..", "",
      "model.bin", "x\\u0000.safetensors",
    ]
    for name in leaving {
      try write(
        Array(#"{"weight_map":{"a":"\#(name)"}}"#.utf8), to: "\(path)/\(weightsIndexName)")
      let text = message { _ = try ModelFolder(path: path) }
      #expect(
        text.hasPrefix(
          "\(path)/\(weightsIndexName): tensor `a`: expected the name of a .safetensors file in "
            + "the folder, found `"), "\(text)")
    }
  }

  @Test("A malformed index names the file and the byte")
  func malformedIndex() throws {
    let path = try folder.make("model")
    let index = "\(path)/\(weightsIndexName)"
    for (text, expected) in [
      ("", "\(index): byte 0: expected an object, found the end of the text"),
      ("{}", "\(index): expected a `weight_map`, found none"),
      (#"{"weight_map":[]}"#, "\(index): byte 14: expected an object, found `[`"),
      (#"{"weight_map":{"a":1}}"#, "\(index): byte 19: expected a string, found `1`"),
      (
        #"{"weight_map":{"a":"b.safetensors","a":"c.safetensors"}}"#,
        "\(index): byte 35: expected each key once, found `a` again"
      ),
      (
        #"{"weight_map":{"a":"b.safetensors"}}"#,
        "\(path)/b.safetensors: expected a file that \(weightsIndexName) names, found no such file"
      ),
    ] {
      try write(Array(text.utf8), to: index)
      let text = message { _ = try ModelFolder(path: path) }
      #expect(text.hasPrefix(expected), "\(text)")
    }
  }

  @Test("A tensor that the index promises but the file lacks, or that two files hold, is named")
  func contradictingIndex() throws {
    let path = try folder.make("model")
    try writeSharded(path)
    let index = "\(path)/\(weightsIndexName)"
    let good = try String(decoding: read(index), as: UTF8.self)
    try write(
      Array(good.replacing("\"g\": \"model-00003", with: "\"g\": \"model-00001").utf8), to: index)
    #expect(
      message { _ = try ModelFolder(path: path) }.hasPrefix(
        "\(path)/model-00001-of-00003.safetensors: tensor `g`: expected the tensor, as"))
    try write(Array(good.utf8), to: index)
    let second = "\(path)/model-00002-of-00003.safetensors"
    try FileManager.default.removeItem(atPath: second)
    _ = try writeSafetensors(Array(tensors.views[0...4]), to: second)
    #expect(
      message { _ = try ModelFolder(path: path) }.hasPrefix(
        "\(second): tensor `a`: expected each tensor once, found it in \(path)/model-00001"))
  }

  @Test("A link out of the folder is refused; one inside it or into a hub cache is followed")
  func links() throws {
    _ = try writeSafetensors(tensors.views, to: folder("outside.safetensors"))
    let model = try folder.make("model")
    let files = FileManager.default
    try files.createSymbolicLink(
      atPath: "\(model)/model.safetensors", withDestinationPath: "../outside.safetensors")
    #expect(
      message { _ = try ModelFolder(path: model) }
        == "\(model)/model.safetensors: expected a file of the folder itself, found a symbolic "
        + "link to `../outside.safetensors`; copy the file into the folder")
    try files.removeItem(atPath: "\(model)/model.safetensors")
    _ = try writeSafetensors(tensors.views, to: "\(model)/real.safetensors")
    try files.createSymbolicLink(
      atPath: "\(model)/model.safetensors", withDestinationPath: "real.safetensors")
    #expect(try ModelFolder(path: model).tensorNames.count == 7)

    let blobs = try folder.make("models--x--y/blobs")
    let snapshot = try folder.make("models--x--y/snapshots/0123")
    _ = try writeSafetensors(tensors.views, to: "\(blobs)/4567")
    try files.createSymbolicLink(
      atPath: "\(snapshot)/model.safetensors", withDestinationPath: "../../blobs/4567")
    #expect(try ModelFolder(path: snapshot).tensorNames.count == 7)
    // The folder itself may be reached through a link, as RUN/best is.
    try files.createSymbolicLink(
      atPath: folder("best"), withDestinationPath: "models--x--y/snapshots/0123")
    #expect(try ModelFolder(path: folder("best")).tensorNames.count == 7)
  }

  @Test("A folder without weights says what it lacks")
  func noWeights() throws {
    let path = try folder.make("model")
    #expect(
      message { _ = try ModelFolder(path: path) }
        == "\(path): expected model.safetensors, pytorch_model.bin or an index (.index.json), "
        + "found none of them; name the folder that holds the weights")
    #expect(
      message { _ = try ModelFolder(path: folder("none")) }.hasPrefix(
        "\(folder("none")): expected a model folder, found nothing there"))
    try write([1], to: "\(path)/config.json")
    #expect(
      message { _ = try ModelFolder(path: "\(path)/config.json") }.hasPrefix(
        "\(path)/config.json: expected a model folder, found a file"))
  }
}
