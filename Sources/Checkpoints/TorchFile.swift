import Manifests

/// An open file that `torch.save` wrote of a dictionary of tensors, such as pytorch_model.bin.
///
/// What the file says is read by ``PickleReader``, which knows tensors and nothing else: no code can
/// come out of it. Both forms are understood: the zip file that PyTorch writes since 1.6, and the
/// bare pickles from before.
package final class TorchFile: TensorFile {
  package let path: String
  /// In the order of the dictionary. Tensors that share memory have the same bytes.
  package let tensors: [TensorEntry]
  let isBigEndian: Bool

  private let file: OpenFile

  /// Opens `path` and checks all that it says; no tensor is read yet.
  package init(path: String) throws {
    file = try OpenFile(reading: path)
    self.path = path
    let start = try readBytes(file, at: 0, count: Int(min(file.size, 4)))
    if start == [0x50, 0x4b, 3, 4] {
      (tensors, isBigEndian) = try readZipped(file)
    } else if start.count == 4, barePicklePrefix.starts(with: start) {
      (tensors, isBigEndian) = (try readBare(file), false)
    } else {
      throw damaged(
        path, "a file of torch.save", "one that begins otherwise",
        remedy: "fetch the file again; a text of a few lines is a pointer that git lfs resolves")
    }
  }

  func fill(
    _ buffer: UnsafeMutableRawBufferPointer, from offset: Int, _ place: String
  ) throws {
    let count = try file.read(at: Int64(offset), into: buffer)
    guard count == buffer.count else {
      throw damaged(
        place, "\(buffer.count) bytes", "\(count) bytes before the end of the file",
        remedy: "the file shrank while it was read: use another copy of it")
    }
  }
}

/// PyTorch's zip form: `NAME/data.pkl`, a member `NAME/data/KEY` for each storage, and
/// `NAME/byteorder` since 2.1.
/// https://github.com/pytorch/pytorch/blob/main/torch/serialization.py
private func readZipped(
  _ file: borrowing OpenFile
) throws -> (tensors: [TensorEntry], isBigEndian: Bool) {
  let path = file.path
  let members = try StoredZip(file).members
  guard let pickle = members.first(where: { $0.name.hasSuffix("/data.pkl") }),
    pickle.name.utf8.filter({ $0 == UInt8(ascii: "/") }).count == 1
  else {
    throw damaged(
      path, "a member `NAME/data.pkl`", "\(members.count) others",
      remedy: "this is another zip file than one of torch.save: check the path")
  }
  let folder = pickle.name.dropLast("data.pkl".count)
  let root: PickleValue
  var reader = PickleReader(
    try small(pickle, of: file, limit: PickleReader.byteLimit), place: "\(path): data.pkl")
  root = try reader.read()
  try reader.readEnd()
  var isBigEndian = false
  if let order = members.first(where: { $0.name == folder + "byteorder" }) {
    let text = try small(order, of: file, limit: 16)
    isBigEndian = text == Array("big".utf8)
    guard isBigEndian || text == Array("little".utf8) else {
      throw damaged("\(path): byteorder", "`little` or `big`", "another text")
    }
  }
  var bytesOfName: [[UInt8]: Range<Int>] = [:]
  for member in members { bytesOfName[Array(member.name.utf8)] = member.bytes }
  let dictionary = try StateDictionary(root, in: reader.heap, place: path) { storage in
    let name = "\(folder)data/\(storage.key)"
    guard let bytes = bytesOfName[Array(name.utf8)] else {
      throw damaged("\(path): storage \(quoted(storage.key))", "a member \(quoted(name))", "none")
    }
    try require(storage, toTake: bytes.count, path)
    return bytes
  }
  return (dictionary.tensors, isBigEndian)
}

/// The whole of a member that is small.
private func small(
  _ member: StoredZip.Member, of file: borrowing OpenFile, limit: Int
) throws -> [UInt8] {
  guard member.bytes.count <= limit else {
    throw damaged(
      "\(file.path): zip member \(quoted(member.name))", "at most \(limit) bytes",
      "\(member.bytes.count) bytes")
  }
  return try readBytes(file, at: member.bytes.lowerBound, count: member.bytes.count)
}

private func require(_ storage: PickledStorage, toTake byteCount: Int, _ path: String) throws {
  let (expected, overflow) = storage.elementCount.multipliedReportingOverflow(
    by: storage.type.byteWidth)
  guard !overflow, expected == byteCount else {
    throw damaged(
      "\(path): storage \(quoted(storage.key))",
      "\(storage.elementCount) elements of \(storage.type.rawValue)", "\(byteCount) bytes")
  }
}

/// The pickles of a magic number and of the protocol version 1001, as `torch.save` writes them.
private let barePicklePrefix: [UInt8] = [
  0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
  0x80, 2, 0x4d, 0xe9, 3, 0x2e,
]

/// PyTorch's form before 1.6: pickles of a magic number, a version, facts about the machine, the
/// object, and the keys of its storages; then, for each key, a count of elements in 8 bytes and the
/// elements, the lowest byte first on every machine.
private func readBare(_ file: borrowing OpenFile) throws -> [TensorEntry] {
  let path = file.path
  let start = barePicklePrefix.count
  let size = Int(file.size)
  guard size >= start, try readBytes(file, at: 0, count: start) == barePicklePrefix else {
    throw damaged(
      path, "a pickle of tensors in the form of torch.save", "another pickle",
      remedy: "it is not loaded, since it may be any program: use model.safetensors, or a file "
        + "that was saved with torch.save(model.state_dict(), ..)")
  }
  var reader = PickleReader(
    try readBytes(file, at: start, count: min(size - start, PickleReader.byteLimit)),
    place: path, origin: start)
  guard case .dictionary = try reader.read() else {
    throw damaged("\(path) byte \(start)", "facts about the machine", "another value")
  }
  let root = try reader.read()
  guard case .list(let list) = try reader.read() else {
    throw damaged("\(path) byte \(start + reader.position)", "a list of storages", "another value")
  }
  let keys = reader.heap.lists[list]
  let places = try placeStorages(
    keys, of: reader.heap.storages, in: file, from: start + reader.position)
  return try StateDictionary(root, in: reader.heap, place: path) { storage in
    guard let bytes = places[Array(storage.key.utf8)] else {
      throw damaged("\(path): storage \(quoted(storage.key))", "its elements", "none")
    }
    return bytes
  }.tensors
}

/// Goes through the storages that lie one after the other from byte `start` to the end.
/// - Returns: where the elements of each lie, by the bytes of its key.
private func placeStorages(
  _ keys: [PickleValue], of storages: [PickledStorage], in file: borrowing OpenFile,
  from start: Int
) throws -> [[UInt8]: Range<Int>] {
  let path = file.path
  let size = Int(file.size)
  let known = Dictionary(storages.map { (Array($0.key.utf8), $0) }) { first, _ in first }
  var places: [[UInt8]: Range<Int>] = [:]
  var position = start
  for case .string(let key) in keys {
    let place = "\(path): storage \(quoted(key))"
    let keyBytes = Array(key.utf8)
    guard let storage = known[keyBytes], places[keyBytes] == nil else {
      throw damaged(place, "each storage of the tensors once", "another")
    }
    guard size - position >= 8 else {
      throw damaged(place, "8 bytes at byte \(position)", "the end of the file")
    }
    let count = try readBytes(file, at: position, count: 8)
      .reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    position += 8
    guard count == UInt64(storage.elementCount),
      storage.elementCount <= (size - position) / storage.type.byteWidth
    else {
      throw damaged(
        place, "\(storage.elementCount) elements of \(storage.type.rawValue)",
        "\(count) in the \(size - position) bytes of the rest",
        remedy: "the file is cut short or damaged: use another copy of it")
    }
    let end = position + storage.elementCount * storage.type.byteWidth
    places[keyBytes] = position..<end
    position = end
  }
  guard position == size else {
    throw damaged(path, "\(position) bytes, where the last storage ends", "\(size) bytes")
  }
  return places
}
