import Foundation

@testable import Checkpoints

private let words = [
  "ctorch._utils\n_rebuild_tensor_v2\n", "ctorch._utils\n_rebuild_parameter\n",
  "ctorch\nFloatStorage\n", "ctorch\nHalfStorage\n", "ctorch\nLongStorage\n",
  "ccollections\nOrderedDict\n", "cos\nsystem\n", "X\u{7}\0\0\0storage", "X\u{3}\0\0\0cpu",
  "X\u{1}\0\0\u{0}1", "X\u{a}\0\0\0state_dict", "K\0K\u{1}t", ")R", "tQ", "tR", "u.", "q\0", "h\0",
]

let torchTargets = [
  FuzzTarget(
    "pickle", seeds: [pickle, Array("\u{80}\u{4}}.".unicodeScalars.map(byte))], words: words
  ) { bytes in
    var reader = PickleReader(bytes, place: "data.pkl")
    let root = try reader.read()
    try reader.readEnd()
    let dictionary = try StateDictionary(root, in: reader.heap, place: "model.bin") { storage in
      // What a file has room for, which alone bounds the counts of a pickle.
      guard storage.elementCount <= 1 << 40 else { throw CocoaError(.fileReadTooLarge) }
      return 0..<storage.elementCount * storage.type.byteWidth
    }
    for tensor in dictionary.tensors {
      require(tensor.bytes.upperBound <= 8 << 40, "a tensor within its storage")
      require(tensor.byteCount <= tensor.bytes.count, "an element of its own for each index")
      require(
        tensor.strides != nil || tensor.byteCount == tensor.bytes.count, "no gaps in row-major")
    }
  },
  FuzzTarget(
    "torch-file", seeds: [zipped(isWide: false), zipped(isWide: true), bare],
    words: words + [
      "PK\u{1}\u{2}", "PK\u{3}\u{4}", "PK\u{5}\u{6}", "PK\u{6}\u{6}", "m/data/0", "m/byteorder",
    ]
  ) { bytes in
    let file = try TorchFile(path: write(bytes, to: "pytorch_model.bin"))
    for tensor in file.tensors.prefix(64) {
      require(tensor.bytes.upperBound <= bytes.count, "a tensor within the file")
      // Exactly as large as it must be, so that the address sanitizer sees what goes beyond.
      let memory = UnsafeMutablePointer<Float>.allocate(capacity: tensor.elementCount)
      defer { memory.deallocate() }
      do { try file.read(tensor, shape: tensor.shape, into: memory) } catch {
        require(!tensor.type.widensToFloat32, "a float tensor that is there was not read: \(error)")
      }
    }
  },
]

private func byte(_ scalar: Unicode.Scalar) -> UInt8 { UInt8(scalar.value) }

private func number(_ value: Int, _ byteCount: Int) -> [UInt8] {
  (0..<byteCount).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

/// A row-major tensor, a transposed view of its storage, and one of halves.
private let pickle: [UInt8] = {
  func text(_ text: String) -> [UInt8] { [0x58] + number(text.utf8.count, 4) + text.utf8 }
  func tuple(_ numbers: [UInt8]) -> [UInt8] { [0x28] + numbers.flatMap { [0x4b, $0] } + [0x74] }
  func tensor(_ type: String, _ key: String, _ shape: [UInt8], _ strides: [UInt8]) -> [UInt8] {
    var bytes = Array("ctorch._utils\n_rebuild_tensor_v2\n((".utf8) + text("storage")
    bytes += Array("ctorch\n\(type)\n".utf8) + text(key) + text("cpu")
    bytes += [0x4b, shape.reduce(1, *), 0x74, 0x51, 0x4b, 0] + tuple(shape) + tuple(strides)
    return bytes + [0x89, 0x7d, 0x74, 0x52]
  }
  var bytes: [UInt8] = [0x80, 2] + Array("ccollections\nOrderedDict\n)R(".utf8)
  bytes += text("a") + tensor("FloatStorage", "0", [2, 3], [3, 1])
  bytes += text("b") + tensor("FloatStorage", "0", [3, 2], [1, 3])
  bytes += text("c") + tensor("HalfStorage", "1", [3], [1]) + [0x75, 0x2e]
  return bytes
}()

/// The form before zip files.
private let bare: [UInt8] = {
  let magic: [UInt8] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]
  var bytes: [UInt8] = [0x80, 2, 0x8a, 10] + magic + [0x2e, 0x80, 2, 0x4d, 0xe9, 3, 0x2e]
  bytes += [0x80, 2, 0x7d, 0x2e] + pickle + [0x80, 2, 0x5d, 0x28]
  bytes += Array("X\u{1}\0\0\u{0}0X\u{1}\0\0\u{0}1e.".utf8)
  bytes += number(6, 8) + [UInt8](repeating: 1, count: 24)
  return bytes + number(3, 8) + [UInt8](repeating: 2, count: 6)
}()

private func zipped(isWide: Bool) -> [UInt8] {
  var (file, directory): ([UInt8], [UInt8]) = ([], [])
  let members = [
    ("m/data.pkl", pickle), ("m/byteorder", Array("little".utf8)),
    ("m/data/0", [UInt8](repeating: 1, count: 24)), ("m/data/1", [UInt8](repeating: 2, count: 6)),
  ]
  for (name, content) in members {
    let start = file.count
    let common = number(0, 12) + number(content.count, 4) + number(content.count, 4)
    file += [0x50, 0x4b, 3, 4, 0, 0] + common + number(name.utf8.count, 4) + name.utf8 + content
    directory += [0x50, 0x4b, 1, 2, 0, 0, 0, 0] + common + number(name.utf8.count, 4)
    directory += number(0, 10) + number(start, 4) + name.utf8
  }
  let start = file.count
  file += directory
  if isWide {
    let end = file.count
    file += [0x50, 0x4b, 6, 6] + number(44, 8) + number(0, 12) + number(members.count, 8)
    file += number(members.count, 8) + number(directory.count, 8) + number(start, 8)
    file += [0x50, 0x4b, 6, 7] + number(0, 4) + number(end, 8) + number(1, 4)
  }
  file += [0x50, 0x4b, 5, 6] + number(0, 4) + number(members.count, 2) + number(members.count, 2)
  return file + number(directory.count, 4) + number(start, 4) + number(0, 2)
}
