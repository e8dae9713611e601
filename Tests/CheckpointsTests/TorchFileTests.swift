import Foundation
import Testing

@testable import Checkpoints

@Suite struct TorchFileTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  private func open(_ zip: ZipText) throws -> ModelFolder {
    try write(zip.bytes, to: folder("pytorch_model.bin"))
    return try ModelFolder(path: folder.path)
  }

  /// Six floats 0, 1 .. 5 under the given name, shape and strides.
  private func open(offset: Int = 0, _ shape: [Int], _ strides: [Int]) throws -> ModelFolder {
    let tensor = Pickle.tensor(Pickle.storage(count: 6), offset: offset, shape, strides)
    return try open(
      ZipText(
        pickle: Pickle.whole(Pickle.dictionary([("t", tensor)])),
        storages: [bytes([0, 1, 2, 3, 4, 5])]))
  }

  @Test("Tensors are read row-major, whatever their strides and offset are")
  func layouts() throws {
    let cases: [(Int, [Int], [Int], [Float])] = [
      (0, [2, 3], [3, 1], [0, 1, 2, 3, 4, 5]),
      (0, [3, 2], [1, 3], [0, 3, 1, 4, 2, 5]),
      (1, [2, 2], [3, 1], [1, 2, 4, 5]),
      (0, [3], [2], [0, 2, 4]),
      (5, [], [], [5]),
      (2, [1, 1, 2], [100, 0, 1], [2, 3]),
      (6, [0], [1], []),
      (0, [3, 0, 1 << 62, 4], [0, 0, 0, 0], []),
      (0, [1, 3, 2], [7, 1, 3], [0, 3, 1, 4, 2, 5]),
    ]
    for (offset, shape, strides, expected) in cases {
      let model = try open(offset: offset, shape, strides)
      #expect(model.shape(of: "t") == shape)
      guard !shape.contains(0) else { continue }
      #expect(try model.floats("t") == expected, "\(shape) \(strides)")
    }
  }

  @Test("A transposed tensor that is larger than the window is read through it")
  func largeTransposition() throws {
    let (rows, columns) = (301, 203)
    let values = (0..<rows * columns).map(Float.init)
    let tensor = Pickle.tensor(Pickle.storage(count: values.count), [columns, rows], [1, columns])
    let model = try open(
      ZipText(
        pickle: Pickle.whole(Pickle.dictionary([("t", tensor)])), storages: [bytes(values)]))
    let found = try model.floats("t")
    let expected = (0..<columns).flatMap { column in
      (0..<rows).map { Float($0 * columns + column) }
    }
    #expect(found == expected)
  }

  @Test("Strides that leave the storage, or give two indexes one element, are refused")
  func badLayouts() {
    let cases: [(Int, [Int], [Int], String)] = [
      (0, [7], [1], "elements within the 6 of its storage"),
      (1, [2, 3], [3, 1], "elements within the 6"),
      (0, [2, 2], [6, 1], "elements within the 6"),
      (6, [], [], "an element after 6"),
      (7, [0], [1], "an offset of at most 6"),
      (-1, [2], [1], "an offset of at most 6"),
      (0, [-1], [1], "sizes and strides from 0"),
      (0, [2], [-1], "sizes and strides from 0"),
      (0, [2, 3], [3], "sizes and strides from 0"),
      (0, [1 << 40], [0], "an element of its own for each index"),
      (0, [2, 3], [2, 1], "an element of its own"),
      (0, [2, 2, 2], [1, 1, 1], "an element of its own"),
      (0, [1 << 40, 1 << 40], [1 << 40, 1], "elements within the 6"),
      (0, [Int.max, 2], [Int.max, 1], "elements within the 6"),
      (0, [2], [Int.max], "elements within the 6"),
    ]
    for (offset, shape, strides, expected) in cases {
      let text = message { _ = try open(offset: offset, shape, strides) }
      #expect(text.contains("tensor `t`: expected \(expected)") || text.contains(expected))
      #expect(text.hasPrefix("\(folder("pytorch_model.bin")): tensor `t`: "), "\(text)")
    }
  }

  @Test("Shared storages, parameters, _metadata, 64-bit zip ends and big-endian files are read")
  func forms() throws {
    let storage = Pickle.storage(count: 2)
    let tensor = Pickle.tensor(storage, [2], [1])
    let ordered =
      Pickle.call("collections", "OrderedDict", []) + [0x28]
      + Pickle.string("a") + tensor + Pickle.string("tied") + tensor
      + Pickle.string("parameter")
      + Pickle.call("torch._utils", "_rebuild_parameter", [tensor, [0x88], [0x7d]]) + [0x75]
      + Pickle.dictionary([("_metadata", Pickle.dictionary([("", [0x7d])]))]) + [0x62]
    for (root, isWide, isBig) in [
      (ordered, false, false), (ordered, true, false), (ordered, false, true),
      (Pickle.dictionary([("epoch", [0x4b, 3]), ("state_dict", ordered)]), true, true),
    ] {
      let data = bytes([1.5, -2])
      let storages = [isBig ? Array(data[0..<4].reversed() + data[4...].reversed()) : data]
      var zip = ZipText(pickle: Pickle.whole(root), storages: storages)
      zip.isWide = isWide
      if isBig { zip.members.append(.init(name: "model/byteorder", content: Array("big".utf8))) }
      let model = try open(zip)
      #expect(model.tensorNames == ["a", "tied", "parameter"])
      for name in model.tensorNames { #expect(try model.floats(name) == [1.5, -2]) }
    }
  }

  @Test("Halves are widened, and other types are refused only when they are read as floats")
  func types() throws {
    let members = [
      ("half", Pickle.tensor(Pickle.storage("HalfStorage", "0", count: 3), [3], [1])),
      ("brain", Pickle.tensor(Pickle.storage("BFloat16Storage", "1", count: 2), [2], [1])),
      ("turned", Pickle.tensor(Pickle.storage("HalfStorage", "0", count: 3), [2], [2])),
      ("ids", Pickle.tensor(Pickle.storage("LongStorage", "2", count: 1), [1], [1])),
    ]
    let model = try open(
      ZipText(
        pickle: Pickle.whole(Pickle.dictionary(members)),
        storages: [[0, 0x3c, 0, 0xc0, 1, 0], [0x80, 0x3f, 0x49, 0xc0], littleEndian(7, 8)]))
    #expect(try model.floats("half") == [1, -2, 0x1p-24])
    #expect(try model.floats("brain") == [1, -3.140625])
    #expect(try model.floats("turned") == [1, 0x1p-24])
    #expect(model.type(of: "ids") == .int64)
    #expect(message { _ = try model.floats("ids") }.contains("expected a float tensor"))
  }

  @Test("Safetensors are preferred, and several files are found through their index")
  func folders() throws {
    let tensor = Pickle.tensor(Pickle.storage(count: 1), [1], [1])
    func zip(_ name: String, _ value: Float) -> [UInt8] {
      ZipText(
        pickle: Pickle.whole(Pickle.dictionary([(name, tensor)])), storages: [bytes([value])]
      ).bytes
    }
    let names = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]
    try write(zip("a", 1), to: folder(names[0]))
    try write(zip("b", 2), to: folder(names[1]))
    let index = #"{"metadata":{},"weight_map":{"a":"\#(names[0])","b":"\#(names[1])"}}"#
    try write(Array(index.utf8), to: folder("pytorch_model.bin.index.json"))
    let model = try ModelFolder(path: folder.path)
    #expect(model.tensorNames == ["a", "b"])
    #expect(try model.floats("b") == [2])
    #expect(model.file(of: "b") == folder(names[1]))
    try write(
      Array(index.replacing(".bin\"", with: ".safetensors\"").utf8),
      to: folder("pytorch_model.bin.index.json"))
    #expect(
      message { _ = try ModelFolder(path: folder.path) }.contains("the name of a .bin file"))
    let tensors = OwnedTensors([("s", [1])])
    _ = try writeSafetensors(tensors.views, to: folder("model.safetensors"))
    #expect(try ModelFolder(path: folder.path).tensorNames == ["s"])
  }
}
