/// Pickles and zip files as `torch.save` writes them, and as an attacker may, in bytes.
enum Pickle {
  static func string(_ text: String) -> [UInt8] { [0x8c, UInt8(text.utf8.count)] + text.utf8 }

  static func integer(_ value: Int) -> [UInt8] { [0x8a, 8] + littleEndian(value, 8) }

  static func global(_ module: String, _ name: String) -> [UInt8] {
    Array("c\(module)\n\(name)\n".utf8)
  }

  static func tuple(_ values: [[UInt8]]) -> [UInt8] {
    [0x28] + values.flatMap { $0 } + [0x74]
  }

  static func integers(_ values: [Int]) -> [UInt8] { tuple(values.map(integer)) }

  static func dictionary(_ members: [(String, [UInt8])]) -> [UInt8] {
    [0x7d, 0x28] + members.flatMap { string($0.0) + $0.1 } + [0x75]
  }

  static func call(_ module: String, _ name: String, _ arguments: [[UInt8]]) -> [UInt8] {
    global(module, name) + tuple(arguments) + [0x52]
  }

  static func storage(_ type: String = "FloatStorage", _ key: String = "0", count: Int) -> [UInt8] {
    tuple([
      string("storage"), global("torch", type), string(key), string("cpu"), integer(count),
    ]) + [0x51]
  }

  static func tensor(
    _ storage: [UInt8], offset: Int = 0, _ shape: [Int], _ strides: [Int]
  ) -> [UInt8] {
    call(
      "torch._utils", "_rebuild_tensor_v2",
      [storage, integer(offset), integers(shape), integers(strides), [0x89], [0x7d]])
  }

  static func whole(_ value: [UInt8]) -> [UInt8] { [0x80, 2] + value + [0x2e] }
}

/// A zip file of stored members whose every field can be made to lie.
struct ZipText {
  struct Member {
    var name: String
    var content: [UInt8]
    /// Written in place of the true values where not nil.
    var method = 0
    var flags = 0
    var localSize: Int?
    var size: Int?
    var localName: String?
    var start: Int?
  }

  var members: [Member]
  var count: Int?
  var directoryStart: Int?
  var comment: [UInt8] = []
  var isWide = false

  init(_ members: [(String, [UInt8])]) {
    self.members = members.map { Member(name: $0.0, content: $0.1) }
  }

  /// A file of torch.save with the given data.pkl and storages "0", "1" and on.
  init(pickle: [UInt8], storages: [[UInt8]]) {
    self.init(
      [("model/data.pkl", pickle)]
        + storages.enumerated().map { ("model/data/\($0)", $1) } + [("model/version", [51, 10])])
  }

  var bytes: [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for member in members {
      let start = member.start ?? file.count
      let localName = Array((member.localName ?? member.name).utf8)
      let size = member.size ?? member.content.count
      file += [0x50, 0x4b, 3, 4, 0, 0] + numbers([member.flags, member.method, 0, 0], 2)
      file += numbers([0, member.localSize ?? size, member.localSize ?? size], 4)
      file += numbers([localName.count, 0], 2) + localName + member.content
      directory += [0x50, 0x4b, 1, 2, 0, 0, 0, 0]
      directory += numbers([member.flags, member.method, 0, 0], 2)
      let extra = numbers([1, 24], 2) + numbers([size, size, start], 8)
      directory += numbers(isWide ? [0, 0xffff_ffff, 0xffff_ffff] : [0, size, size], 4)
      directory += numbers([member.name.utf8.count, isWide ? extra.count : 0, 0, 0, 0], 2)
      directory += numbers([0, isWide ? 0xffff_ffff : start], 4) + member.name.utf8
      if isWide { directory += extra }
    }
    let start = directoryStart ?? file.count
    let count = count ?? members.count
    file += directory
    if isWide {
      let end = file.count
      file += [0x50, 0x4b, 6, 6] + numbers([44], 8) + numbers([45, 45], 2) + numbers([0, 0], 4)
      file += numbers([count, count, directory.count, start], 8)
      file += [0x50, 0x4b, 6, 7] + numbers([0], 4) + numbers([end], 8) + numbers([1], 4)
    }
    file += [0x50, 0x4b, 5, 6] + numbers([0, 0, count, count], 2)
    file += numbers([directory.count, isWide ? 0xffff_ffff : start], 4)
    return file + numbers([comment.count], 2) + comment
  }
}

private func numbers(_ values: [Int], _ byteCount: Int) -> [UInt8] {
  values.flatMap { littleEndian($0, byteCount) }
}

func littleEndian(_ value: Int, _ byteCount: Int) -> [UInt8] {
  (0..<byteCount).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

func bytes(_ values: [Float]) -> [UInt8] {
  values.flatMap { littleEndian(Int($0.bitPattern), 4) }
}
